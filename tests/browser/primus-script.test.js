'use strict';

// Where the script of Primus pages is used: other parsers, strict pages, modules, without WebSocket, at a whole server.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { SCRIPTS, suite, check } = require('./support/primus');
const { Server } = require('./support/server');

for (const [kind, script] of Object.entries(SCRIPTS)) {
  suite(`${kind} of Primus`, (world) => {
    const echoes = (page, value) => page.evaluate(async (data) => {
      primus.write(data);
      await raised(primus, 'data');
      return heard(primus)[0];
    }, value);

    for (const parser of ['binary', 'msgpack', 'ejson']) {
      check(`speaks ${parser}`, async (t) => {
        const page = await world.visit(t, await world.server(t, 'primus', '--parser', parser), { script });
        const value = { text: 'Grüße 😀 \u2028', list: [1, -70000, 1.5, null, true] };
        assert.deepEqual(await echoes(page, value), value);
        assert.deepEqual(page.problems, []);
      });
    }

    check('carries bytes with msgpack', async (t) => {
      const page = await world.visit(t, await world.server(t, 'primus', '--parser', 'msgpack'), { script });
      const bytes = await page.evaluate(async () => {
        primus.write({ bytes: new Uint8Array([0, 1, 127, 128, 255]) });
        await raised(primus, 'data');
        return Array.from(new Uint8Array(heard(primus)[0].bytes));
      });
      assert.deepEqual(bytes, [0, 1, 127, 128, 255]);
    });

    check('works on a page that admits no eval and no inline script', async (t) => {
      const server = await world.server(t);
      world.home.put('/page.js', `var primus = watch(new Primus(${JSON.stringify(server.url)}));`, {
        'Content-Type': 'text/javascript',
      });
      world.home.put('/script.js', await (await fetch(`${server.url}/primus/${script}`)).text(), {
        'Content-Type': 'text/javascript',
      });
      const connect = `${server.url} ${server.url.replace('http', 'ws')}`;
      const page = await world.visit(t, server, {
        script: '/script.js',
        body: '</script><script src="/page.js">',
        headers: { 'Content-Security-Policy': `default-src 'none'; script-src 'self'; connect-src ${connect}; img-src data:` },
        prepare: (made) => made.addInitScript(() => {
          window.violations = [];
          document.addEventListener('securitypolicyviolation', (event) => window.violations.push(event.blockedURI));
        }),
      });
      assert.equal(await echoes(page, 'strict'), 'strict');
      // The one inline script is that of this test, and shows that the policy is in force.
      assert.deepEqual(await page.evaluate(() => [violations, typeof url]), [['inline'], 'undefined']);
    });

    check('leaves one global, and serves two clients', async (t) => {
      const server = await world.server(t, 'primus', '--number-ids');
      const page = await world.visit(t, server, {
        script,
        body: 'var one = watch(new Primus(url)), two = watch(new Primus(url));',
        prepare: (made) => made.addInitScript(() => { window.before = Object.getOwnPropertyNames(window); }),
      });
      const [globals, ids] = await page.evaluate(async () => {
        await Promise.all([raised(one, 'open'), raised(two, 'open')]);
        const id = (client) => new Promise((resolve) => { client.id(resolve); });
        one.write('only one');
        await raised(one, 'data');
        const found = Object.getOwnPropertyNames(window).filter((name) => !before.includes(name) && name !== 'before');
        return [found, [await id(one), await id(two), heard(two).length]];
      });
      assert.deepEqual(globals.sort(), ['Primus', 'one', 'two', 'url']);
      assert.deepEqual(ids.sort(), [0, 'spark-1', 'spark-2']);
    });
  });
}

suite('the script of Primus', (world) => {
  const transport = (page) => page.evaluate(async () => {
    primus.write({ do: 'who' });
    return [(await raised(primus, 'data')).transport, ...story(primus)];
  });
  const POLLS = ['polling', 'now opening', 'now open', 'open'];

  check('falls back to polling where WebSocket is missing', async (t) => {
    const prepare = (page) => page.addInitScript(() => { delete window.WebSocket; });
    assert.deepEqual(await transport(await world.visit(t, await world.server(t), { prepare })), POLLS);
  });

  check('falls back to polling where WebSocket is blocked', async (t) => {
    const server = await world.server(t);
    const headers = { 'Content-Security-Policy': `connect-src ${server.url}` }; // http: does not admit ws:
    assert.deepEqual(await transport(await world.visit(t, server, { headers })), POLLS);
  });

  check('is a module as well', async (t) => {
    const server = await world.server(t);
    const page = await world.visit(t, server, { body: 'delete window.Primus;' });
    assert.equal(await page.evaluate(async (address) => {
      const { default: Primus } = await import(`${address}/primus/primus.mjs`);
      const primus = watch(new Primus(address));
      primus.write('from a module');
      return raised(primus, 'data');
    }, server.url), 'from a module');
  });

  check('needs no address on a page of the server itself', async (t) => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'stellar-page-'));
    t.after(() => fs.rmSync(folder, { recursive: true }));
    fs.writeFileSync(path.join(folder, 'own.html'), `<!DOCTYPE html><link rel="icon" href="data:,">
<script src="/primus/primus.js"></script><script>var primus = watch(new Primus());</script>`);
    const server = new Server('ws,polling', { folder });
    await server.start();
    t.after(() => server.stop());
    const page = await world.visit(t, server, { script: 'primus.js', body: '' });
    await page.goto(`${server.url}/own.html`);
    const answer = await page.evaluate(async () => {
      await raised(primus, 'open');
      primus.write({ event: 'detailsView', messageId: 1 });
      return new Promise((resolve) => {
        const look = (data) => data.context === 'response' && resolve(data);
        heard(primus).forEach(look);
        primus.on('data', look);
      });
    });
    assert.equal(answer.context, 'response');
    assert.deepEqual(page.problems, []);
  });
});
