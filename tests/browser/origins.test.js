'use strict';

// Pages of another origin than the server's: one that is listed, and one that is not.

const assert = require('node:assert/strict');
const { faulty, withoutOptions } = require('../clients/support/faults');
const { WAYS, suite, check } = require('./support/browser');

const LISTED = 'http://page.example';
const OTHER = 'http://other.example';

for (const [list, origin] of [['its origin', LISTED], ['any origin', '*']]) {
  suite(`a server that lists ${list}`, (world) => {
    // A page that only the test has, with the script of the server.
    async function visit(home) {
      const page = await world.open(`${home}/`, undefined, (made) => made.route(`${home}/`, (route) => route.fulfill({
        contentType: 'text/html', body: '<!DOCTYPE html><link rel="icon" href="data:,">',
      })));
      await page.addScriptTag({ url: `${world.server.url}/stellar-client` });
      return page;
    }

    function talk(page, url) {
      return page.evaluate(async (address) => {
        const client = new StellarClient({ url: address, rooms: ['lobby'], reconnect: false, connectTimeout: 0 });
        await client.connect();
        const heard = new Promise((resolve) => client.once('say', resolve));
        await client.say('lobby', 'hello');
        const sum = await client.action('formattedSum', { a: 3, b: 4 });
        const { message } = await heard;
        return { transport: client.transport, message, formatted: sum.formatted, via: sum.context };
      }, url);
    }

    const DONE = () => ({ transport: world.way.transport, message: 'hello', formatted: '3 + 4 = 7', via: 'response' });

    check('lets it connect, and call actions over HTTP', async () => {
      const page = await visit(LISTED);
      assert.deepEqual(await talk(page, world.server.url), DONE());
      const sum = await page.evaluate((url) => (
        new StellarClient({ url }).action('formattedSum', { a: 3, b: 4 })
      ), world.server.url);
      assert.equal(sum.formatted, '3 + 4 = 7');
      assert.deepEqual(page.problems, []);
    });

    check('needs no preflight for a connection: a proxy may drop OPTIONS', async (t) => {
      const proxy = await faulty(t, world.server, withoutOptions);
      const page = await visit(LISTED);
      assert.deepEqual(await talk(page, proxy.url), DONE());
      assert.ok(proxy.requests.length + proxy.upgrades.length > 0, 'it went this way');
      assert.deepEqual(proxy.requests.filter(({ method }) => method === 'OPTIONS'), []);
    });

    if (origin === LISTED) {
      check('refuses another', async () => {
        const page = await visit(OTHER);
        const refused = await page.evaluate((url) => (
          new StellarClient({ url, reconnect: false }).connect().then(() => 'connected', (error) => error.message)
        ), world.server.url);
        assert.notEqual(refused, 'connected');
        const metrics = await (await fetch(`${world.server.url}/metrics`)).text();
        assert.match(metrics, /^stellar_handshakes_refused_total\{reason="origin"\} [1-9]/m);
      });

      check('does nothing in the name of its visitor, who was at the server before', async () => {
        const { url } = world.server;
        const page = await visit(OTHER);
        await page.context().addCookies([{ name: 'session', value: '4711', url, sameSite: 'Lax' }]);
        // A link is followed with such a cookie.
        await page.evaluate((href) => {
          const link = document.createElement('a');
          link.href = href;
          document.body.append(link);
          link.click();
        }, `${url}/api/randomNumber`);
        await page.waitForURL(`${url}/api/randomNumber`);
        const refused = JSON.parse(await page.textContent('body'));
        assert.match(refused.error, /origin/);
        assert.equal(refused.number, undefined);
        // Whoever wrote the address is no other page.
        const answer = await page.goto(`${url}/api/randomNumber?again`);
        assert.equal(typeof (await answer.json()).number, 'number');
      });
    }
  }, (origin === LISTED ? WAYS : [WAYS[1]]).map((way) => ({ ...way, origins: [origin] })));
}
