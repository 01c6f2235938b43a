'use strict';

// npm `primus` 8 with its engine.io transformer: heartbeats, servers that come and go, and ends for good.

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');
const { serve } = require('./support/server');
const { between } = require('./support/proxy');
const { WAYS, connectEngineIo, told, ask } = require('./support/primus');
const { raised, until } = require('./support/wait');

const INTERVAL = 1500; // not less: between two pings a slow machine has to answer
const ENDED = ['readyStateChange end', 'outgoing::end', 'close', 'end'];

for (const way of Object.keys(WAYS)) {
  describe(`a primus client of the engine.io transformer over ${way}`, { concurrency: true }, () => {
    it('stays for five of the pings of Primus', async (t) => {
      const server = await serve(t, `[limits]\nping_interval_ms = ${INTERVAL}\n`);
      const client = connectEngineIo(t, server.url, way, { pingTimeout: 3 * INTERVAL });
      const before = await client.moved();
      const [pings, pongs] = [[], []];
      client.on('incoming::ping', (number) => pings.push(number));
      client.on('outgoing::pong', (number) => pongs.push(number));
      const began = Date.now();
      await until(() => pongs.length === 5, 'five pongs');
      assert.ok(Date.now() - began > 4 * INTERVAL, 'one per interval');
      assert.deepEqual(pongs, pings);
      assert.deepEqual(pings, [...new Set(pings)].sort(), 'each is a later time');
      const after = await ask(client, { event: 'detailsView' });
      assert.deepEqual([after.data.id, after.messageCount], [before.data.id, 2]);
      assert.ok(!client.story.includes('offline') && !client.story.includes('close'), client.story.join());
    });

    it('stays with short heartbeats of both protocols', async (t) => {
      const server = await serve(t, [
        '[limits]', `ping_interval_ms = ${INTERVAL}`,
        '[polling]', `ping_interval_ms = ${INTERVAL}`, 'ping_timeout_ms = 60000', '',
      ].join('\n'));
      const client = connectEngineIo(t, server.url, way, { pingTimeout: 3 * INTERVAL });
      const { data } = await client.moved();
      let beats = 0;
      client.socket.on('ping', () => { beats++; });
      let pings = 0;
      client.on('incoming::ping', () => { pings++; });
      await until(() => beats >= 5 && pings >= 5, 'five of both');
      assert.equal((await ask(client, { event: 'detailsView' })).data.id, data.id);
      assert.ok(!client.story.includes('close'));
    });

    for (const [how, signal, status] of [
      ['a restarted server', 'SIGTERM', 0], ['a server that was killed', 'SIGKILL', 'SIGKILL'],
    ]) {
      it(`comes back to ${how}`, async (t) => {
        const server = await serve(t);
        const client = connectEngineIo(t, server.url, way);
        const before = await client.moved();
        await ask(client, { event: 'roomAdd', room: 'lobby' });
        // Looked at when it is raised: Primus changes the object later.
        const scheduled = raised(client, 'reconnect scheduled').then(([{ attempt }]) => attempt);
        told(client);
        assert.equal(await server.stop(signal), status);
        assert.equal(await scheduled, 1);
        // Kept until the connection is back.
        client.write({ event: 'roomAdd', room: 'random' });
        await until(() => client.story.filter((event) => event === 'reconnect').length >= 2, 'a second attempt');
        client.inbox.unread.length = 0;
        const reconnected = raised(client, 'reconnected');
        await server.start();
        await reconnected;
        assert.equal((await client.inbox.next()).welcome, 'Hello human! Welcome to Stellar');
        assert.equal((await client.inbox.response(1)).data, true);
        const after = await client.moved();
        assert.deepEqual(after.data.rooms, ['random'], 'a new connection is in no room');
        assert.notEqual(after.data.id, before.data.id);
        assert.ok(!client.story.includes('end'), 'it was not sent away for good');
      });
    }

    it('does not come back to a server that sends its clients away for good', async (t) => {
      const server = await serve(t, '[general]\ndestroy_clients_on_shutdown = true\n');
      const client = connectEngineIo(t, server.url, way);
      await client.moved();
      await server.settle(); // a GET is held
      told(client);
      const ended = raised(client, 'end');
      assert.equal(await server.stop(), 0);
      await ended;
      assert.deepEqual(told(client), ['incoming::data', 'incoming::end', ...ENDED]);
      assert.equal(client.recovery.reconnecting(), false);
    });

    it('that is cut off is given up by the server, notices, and comes back', async (t) => {
      const server = await serve(t, `[limits]\nping_interval_ms = ${INTERVAL}\n`);
      const proxy = await between(t, server);
      const client = connectEngineIo(t, proxy.url, way, { pingTimeout: 5 * INTERVAL });
      const before = await client.moved();
      const online = raised(client, 'online');
      proxy.freeze();
      // The GET that is held may still be answered; those that follow arrive nowhere.
      proxy.forward = () => {};
      await until(
        async () => await server.metric('stellar_connections_closed_total', '{reason="heartbeat_missed"}') === 1,
        'the server to give up',
      );
      delete proxy.forward;
      await online;
      const after = await client.moved();
      assert.notEqual(after.data.id, before.data.id);
      assert.ok(client.story.includes('offline') && !client.story.includes('end'), client.story.join());
    });
  });
}
