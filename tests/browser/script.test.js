'use strict';

// The served script in the ways in which pages load it.

const assert = require('node:assert/strict');
const { suite, check } = require('./support/browser');

suite('script', (world) => {
  // A page that only the test has, at an address of the server.
  function made(address, body, headers) {
    return world.open(address, undefined, (page) => page.route(`**${address}`, (route) => route.fulfill({
      contentType: 'text/html', headers, body,
    })));
  }

  for (const address of ['/stellar-client', '/stellar-client.js', '/stellar-client.min.js']) {
    check(`${address} defines StellarClient and nothing else`, async () => {
      const page = await world.open('/simple.html');
      const before = await page.evaluate(() => Object.keys(window));
      await page.addScriptTag({ url: address });
      const added = await page.evaluate((known) => Object.keys(window).filter((key) => !known.includes(key)), before);
      assert.deepEqual(added, ['StellarClient']);
      assert.equal((await page.evaluate(() => new StellarClient().connect())).status, 'OK');
      assert.deepEqual(page.problems, []);
    });
  }

  check('as an ES module', async () => {
    const page = await world.open('/simple.html');
    const got = await page.evaluate(async () => {
      const { default: Client, StellarClient: named } = await import('/stellar-client.mjs');
      const details = await new Client().connect();
      return [Client === named, details.status, typeof window.StellarClient];
    });
    assert.deepEqual(got, [true, 'OK', 'undefined']);
  });

  // The page itself writes down what happens: tools that look into a page need its promises.
  check('in callback style where there are no promises', async () => {
    const page = await made('/old.html', `<!DOCTYPE html><link rel="icon" href="data:,"><ol id="out"></ol>
        <script>delete window.Promise; delete window.fetch;</script>
        <script src="/stellar-client"></script>
        <script>
          function out(text) {
            document.getElementById('out').appendChild(document.createElement('li')).textContent = text;
          }
          out(typeof Promise);
          var client = new StellarClient();
          var left = 2; // what was said may arrive before or after its answer
          function done() { if (!--left) client.disconnect(); }
          client.on('say', function (packet) { out('heard ' + packet.message); done(); });
          client.on('disconnected', function () { out('disconnected'); out('end'); });
          client.action('formattedSum', { a: 3, b: 4 }, function (response) {
            out(response.formatted + ' ' + ('serverInformation' in response));
            client.connect(function (error, details) {
              out(error + ' ' + details.status);
              client.roomAdd('lobby', function (error) {
                out(error + ' ' + client.rooms);
                client.action('formattedSum', { a: 4, b: 5 }, function (response) {
                  out(response.formatted + ' ' + ('serverInformation' in response));
                  client.roomView('lobby', function (response, error) {
                    out(response.membersCount + ' ' + error);
                    client.file('simple.html', function (response, error) {
                      out(response.mime.split(';')[0] + ' ' + error);
                      client.detailsView(); // no callback, no promise: must not throw
                      client.say('lobby', 'hello', function (error) { if (error) out(error.message); done(); });
                    });
                  });
                });
              });
            });
          });
        </script>`);
    await page.locator('li', { hasText: 'end' }).waitFor();
    assert.deepEqual(await page.locator('li').allTextContents(), [
      'undefined', '3 + 4 = 7 true', 'null OK', 'null lobby', '4 + 5 = 9 false', '1 null', 'text/html null', 'heard hello',
      'disconnected', 'end',
    ]);
    assert.deepEqual(page.problems, []);
  });

  check('under a policy that forbids eval and inline code', async () => {
    const policy = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:";
    const body = '<!DOCTYPE html><link rel="icon" href="data:,"><script src="/stellar-client"></script>';
    const page = await made('/strict.html', body, { 'Content-Security-Policy': policy });
    assert.equal((await page.evaluate(() => new StellarClient().connect())).status, 'OK');
    assert.deepEqual(page.problems, []);
  });
});
