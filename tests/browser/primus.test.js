'use strict';

// A page that is written for Primus, with the script of our server in the place of Primus's own.

const assert = require('node:assert/strict');
const { freeze } = require('../clients/support/wait');
const { SCRIPTS, suite, check } = require('./support/primus');

for (const [kind, script] of Object.entries(SCRIPTS)) {
  suite(`a page for Primus with ${kind}`, (world) => {
    const visit = (t, server, options) => world.visit(t, server, { script, ...options });

    check('opens in the order of Primus, and data goes both ways', async (t) => {
      const page = await visit(t, await world.server(t));
      const said = ['Grüße 😀 \u2028\u2029', { deep: [1, null, { 'ключ': true }] }, 0, false, ''];
      const heard = await page.evaluate(async (values) => {
        await raised(primus, 'open');
        values.forEach((value) => primus.write(value));
        await raised(primus, 'data', values.length);
        return window.heard(primus);
      }, said);
      assert.deepEqual(heard, said);
      assert.deepEqual(await page.evaluate(() => story(primus)), ['now opening', 'now open', 'open']);
      assert.deepEqual(page.problems, []);
    });

    check('sends what was written early, in order, and tells its id', async (t) => {
      const server = await world.server(t, 'primus', '--number-ids');
      const body = 'var primus = watch(Primus.connect(url)); for (var i = 0; i < 20; i++) primus.write(i);';
      const page = await visit(t, server, { body });
      const [heard, id] = await page.evaluate(async () => {
        await raised(primus, 'data', 20);
        return [window.heard(primus), await new Promise((resolve) => { primus.id(resolve); })];
      });
      assert.deepEqual(heard, Array.from({ length: 20 }, (_, i) => i));
      assert.equal(id, 'spark-1');
    });

    check('ends by itself, and when the server says so', async (t) => {
      const server = await world.server(t);
      const [mine, theirs] = [await visit(t, server), await visit(t, server)];
      const ended = ['now opening', 'now open', 'open', 'now end', 'close', 'end'];
      assert.deepEqual(await mine.evaluate(async () => {
        await raised(primus, 'open');
        primus.end();
        return story(primus);
      }), ended);
      assert.deepEqual(await theirs.evaluate(async () => {
        await raised(primus, 'open');
        primus.write({ do: 'end', data: 'bye' });
        await raised(primus, 'end');
        return [...story(primus), ...heard(primus), primus.recovery.reconnecting()];
      }), [...ended, 'bye', false]);
    });

    check('comes back when the server wishes', async (t) => {
      const page = await visit(t, await world.server(t));
      const [events, scheduled] = await page.evaluate(async () => {
        await raised(primus, 'open');
        primus.write({ do: 'retry', after: 321 });
        await raised(primus, 'open', 2);
        return [story(primus), (await raised(primus, 'reconnect scheduled')).scheduled];
      });
      assert.equal(scheduled, 321);
      assert.deepEqual(events, [
        'now opening', 'now open', 'open',
        'now end', 'close', 'reconnect scheduled', 'now opening', 'reconnect', 'reconnected', 'now open', 'open',
      ]);
    });

    check('sends what was written while the server was away', async (t) => {
      const server = await world.server(t);
      const body = "var primus = watch(new Primus(url, { reconnect: { min: 50, max: 200, retries: 100 } }));";
      const page = await visit(t, server, { body });
      await page.evaluate(() => raised(primus, 'open'));
      await server.stop();
      await page.evaluate(async () => {
        await raised(primus, 'reconnect scheduled');
        ['one', 'two', 'three'].forEach((value) => primus.write(value));
      });
      await server.start();
      assert.deepEqual(await page.evaluate(async () => {
        await raised(primus, 'data', 3);
        return heard(primus);
      }), ['one', 'two', 'three']);
    });

    check('goes offline when pings stay away, and comes back', async (t) => {
      const server = await world.server(t, 'primus', '--ping-interval', '200');
      const body = "var primus = watch(new Primus(url, { reconnect: { min: 50, max: 200, retries: 100 } }));";
      const page = await visit(t, server, { body });
      await page.evaluate(() => raised(primus, 'open'));
      await freeze(server.child);
      await page.evaluate(() => raised(primus, 'reconnect scheduled'));
      server.child.kill('SIGCONT');
      const events = await page.evaluate(async () => {
        await raised(primus, 'open', 2);
        return story(primus);
      });
      assert.deepEqual(events.slice(3, 7), ['offline', 'now end', 'close', 'reconnect scheduled']);
      assert.deepEqual(events.slice(-4), ['reconnected', 'online', 'now open', 'open']);
    });

    check('ends with an error when it is refused, and does not try again', async (t) => {
      const page = await visit(t, await world.server(t, 'primus', '--token', 'secret'));
      const [events, isComingBack] = await page.evaluate(async () => {
        await raised(primus, 'end');
        return [story(primus), primus.recovery.reconnecting()];
      });
      assert.deepEqual(events, ['now opening', 'error', 'now end', 'close', 'end']);
      assert.equal(isComingBack, false);
    });

    check('follows the network of the browser', async (t) => {
      const page = await visit(t, await world.server(t));
      await page.evaluate(() => raised(primus, 'open'));
      await page.context().setOffline(true);
      await page.evaluate(() => raised(primus, 'end'));
      await page.context().setOffline(false);
      const events = await page.evaluate(async () => {
        await raised(primus, 'open', 2);
        return story(primus);
      });
      assert.deepEqual(events.slice(3, 7), ['offline', 'now end', 'close', 'end']);
      assert.equal(events[7], 'online');
    });
  });
}
