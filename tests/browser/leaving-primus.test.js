'use strict';

// Pages written for Primus that are left, in a browser that keeps them to go back to, as browsers of people do.

const assert = require('node:assert/strict');
const { SCRIPTS, suite, check } = require('./support/primus');

// No heartbeat within any test: who is gone has said so.
const QUIET = ['--ping-interval', '3600000', '--session-ping-interval', '3600000'];

for (const [kind, script] of Object.entries(SCRIPTS)) {
  for (const websockets of [true, false]) {
    if (!websockets && script.endsWith('=ws')) continue;
    const name = `a page for Primus that is left, with ${kind}${websockets ? '' : ' and no WebSocket'}`;

    suite(name, (world) => {
      const body = `var primus = watch(new Primus(url, { websockets: ${websockets} }));
var shown = [];
addEventListener('pageshow', function (event) { shown.push(event.persisted); });`;

      async function visit(t, server) {
        const page = await world.visit(t, server, { script, body });
        await page.evaluate(() => raised(primus, 'open'));
        return page;
      }

      const sees = (page, count) => page.evaluate(async (wanted) => {
        let answers = heard(primus).length;
        do {
          primus.write({ do: 'connected' });
          await raised(primus, 'data', ++answers);
        } while (heard(primus)[answers - 1] !== wanted);
      }, count);

      const leave = (page) => Promise.all([
        page.waitForURL(/elsewhere/, { waitUntil: 'load' }),
        page.evaluate((href) => { location.href = href; }, world.elsewhere()),
      ]);

      check('is gone at once, and comes back', async (t) => {
        const server = await world.server(t, 'primus', ...QUIET);
        const others = await visit(t, server);
        const page = await visit(t, server);
        await sees(others, 2);
        await leave(page);
        await sees(others, 1);
        await page.goBack({ waitUntil: 'commit' });
        await page.waitForFunction(() => primus.readyState === 3);
        await sees(others, 2);
        const [shown, events] = await page.evaluate(() => [shown, story(primus)]);
        assert.deepEqual(shown.slice(-1), [true], 'the browser has kept the page');
        assert.deepEqual(events.slice(3), [
          'now end', 'close', 'reconnect scheduled', 'now opening', 'reconnect', 'reconnected', 'now open', 'open',
        ]);
      });

      check('has its last words heard', async (t) => {
        const server = await world.server(t, 'primus', ...QUIET);
        const others = await visit(t, server);
        const page = await visit(t, server);
        await page.evaluate((href) => {
          addEventListener('pagehide', () => primus.write('too late'));
          primus.write({ do: 'all', data: 'in the last moment' });
          location.href = href;
        }, world.elsewhere());
        await others.waitForFunction(() => heard(primus).includes('in the last moment'));
        await sees(others, 1);
      });
    }, { keepsPages: true });
  }
}
