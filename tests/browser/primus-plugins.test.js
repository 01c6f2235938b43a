'use strict';

// The plugins that come along, in a page; and the library that npm's own primus generates, at our server.

const assert = require('node:assert/strict');
const http = require('node:http');
const { SCRIPTS, suite, check } = require('./support/primus');

for (const [kind, script] of Object.entries(SCRIPTS)) {
  suite(`plugins with ${kind}`, (world) => {
    // This example lists no other origin, so its page has to be at its own address.
    const visit = async (t) => {
      const server = await world.server(t, 'primus_plugins');
      const prepare = (page) => page.route(`${server.url}/*.html`, async (route) => {
        const { pathname } = new URL(route.request().url());
        const { headers, body } = world.home.pages.get(pathname);
        await route.fulfill({ headers, body });
      });
      return world.visit(t, server, { script, prepare, at: server.url });
    };

    check('events are acknowledged both ways', async (t) => {
      const page = await visit(t);
      assert.deepEqual(await page.evaluate(async () => {
        primus.on('question', (value, ack) => ack(value.n + 1, 'é\u2028'));
        const ask = (...args) => new Promise((resolve) => { primus.send(...args, resolve); });
        return [await ask('sum', 19, 23), await ask('ask me', { n: 6 })];
      }), [42, [7, 'é\u2028']]);
    });

    check('requests are answered both ways', async (t) => {
      const page = await visit(t);
      assert.deepEqual(await page.evaluate(async () => {
        primus.on('request', (data, done) => done({ re: data }));
        const ask = (data) => new Promise((resolve) => { primus.writeAndWait(data, resolve); });
        return [await ask({ deep: [1, null] }), await ask({ ask: 'how?' })];
      }), [{ deep: [1, null] }, { re: 'how?' }]);
    });

    check('channels keep apart, and end', async (t) => {
      const page = await visit(t);
      assert.deepEqual(await page.evaluate(async () => {
        const [one, two] = [primus.channel('news'), primus.channel('news')];
        const next = (channel, event) => new Promise((resolve) => { channel.on(event, resolve); });
        const both = Promise.all([next(one, 'data'), next(two, 'data')]);
        one.write('to one');
        two.write('to two');
        const heard = await both;
        const double = await new Promise((resolve) => { one.send('double', 21, resolve); });
        const ended = next(one, 'end').then(() => 'ended');
        one.write('end');
        return [...heard, double, await ended];
      }), ['to one', 'to two', 42, 'ended']);
    });

    check('rooms reach the others that have joined', async (t) => {
      const page = await visit(t);
      assert.deepEqual(await page.evaluate(async () => {
        const other = new Primus(url);
        const ask = (client, ...args) => new Promise((resolve) => { client.send(...args, resolve); });
        const joined = [await ask(primus, 'join', 'lobby'), await ask(other, 'join', 'lobby')];
        const said = new Promise((resolve) => { other.on('said', (room, text) => resolve([room, text])); });
        primus.send('say', 'lobby', 'hello');
        return [joined, await said];
      }), [[['lobby'], ['lobby']], ['lobby', 'hello']]);
    });
  });
}

suite("the library of npm's primus", (world) => {
  check('opens, talks and comes back at our server', async (t) => {
    const Primus = require('../clients/node_modules/primus');
    const original = new Primus(http.createServer(), { transformer: 'websockets' });
    t.after(() => original.destroy()); // its timer would keep this process alive
    world.home.put('/npm.js', original.library(), { 'Content-Type': 'text/javascript; charset=utf-8' });
    const page = await world.visit(t, await world.server(t), {
      script: '/npm.js', body: 'var primus = watch(new Primus(url, { reconnect: { min: 50, max: 200 } }));',
    });
    const [heard, events] = await page.evaluate(async () => {
      await raised(primus, 'open');
      primus.write('Grüße \u2028');
      primus.write({ do: 'reconnect', data: 'see you' });
      await raised(primus, 'open', 2);
      primus.write('again');
      await raised(primus, 'data', 3);
      return [window.heard(primus), story(primus)];
    });
    assert.deepEqual(heard, ['Grüße \u2028', 'see you', 'again']);
    assert.deepEqual(events, [
      'now opening', 'now open', 'open',
      'now end', 'close', 'reconnect scheduled', 'now opening', 'reconnect', 'reconnected', 'now open', 'open',
    ]);
    assert.deepEqual(page.problems, []);
  });
});
