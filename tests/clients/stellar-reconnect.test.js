'use strict';

// The served client script in Node: connections that break and come back, and those that do not. Numbers are those of
// the Stellar checks.

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');
const { setTimeout: delay } = require('node:timers/promises');
const { serve } = require('./support/server');
const { between } = require('./support/proxy');
const { load, make, requester, story, seen } = require('./support/stellar');
const { limited, raised, until } = require('./support/wait');

const RECOVERY = ['disconnected', 'reconnecting', 'reconnect', 'connected'];

// Attempts may fail before one succeeds; each failure is an error of its own.
function withoutFailures(client) {
  return story(client).filter((event) => event !== 'error').filter((event, index, all) => event !== all[index - 1]);
}

describe('the client script that loses its connection', () => {
  for (const [how, signal] of [['a restart', 'SIGTERM'], ['a crash', 'SIGKILL']]) {
    it(`107: comes back after ${how} of the server, into its rooms`, async (t) => {
      const server = await serve(t);
      const proxy = await between(t, server);
      const client = await make(t, server, { url: proxy.url, rooms: ['defaultRoom', 'random'] });
      await client.connect();
      await client.roomAdd('lobby');
      await client.roomLeave('random');
      const before = client.id;
      story(client);

      const disconnected = raised(client, 'disconnected');
      await server.stop(signal);
      await disconnected;
      await until(() => seen(client, 'reconnecting').length >= 2, 'a second attempt');
      assert.notEqual(client.state, 'connected');
      const connected = raised(client, 'connected');
      await server.start();
      await connected;
      assert.deepEqual(withoutFailures(client), RECOVERY);
      assert.equal(client.state, 'connected');
      assert.deepEqual(client.rooms, ['defaultRoom', 'lobby']);
      assert.notEqual(client.id, before);
      assert.equal((await client.roomView('lobby')).members[client.id].id, client.id);

      const response = await client.action('isolated.action');
      assert.deepEqual([response.context, response.success], ['response', 'ok']);
      assert.deepEqual(proxy.requests, [], 'over the socket');
      await client.say('lobby', 'back again');
      await until(() => seen(client, 'say').some(({ message }) => message === 'back again'), 'the own words');
    });
  }

  for (const transports of [['ws', 'polling'], ['socketio', 'socketio-polling']]) {
    it(`comes back on WebSocket after a dozen restarts, where it could poll as well (${transports})`, async (t) => {
      const server = await serve(t);
      const [wished] = transports;
      const client = await make(t, server, { transports, XMLHttpRequest: requester(t) }, load(server, wished === 'ws' ? undefined : wished));
      await client.connect();
      for (let round = 0; round < 12; round++) {
        const connected = raised(client, 'connected');
        await server.stop(round % 3 ? 'SIGTERM' : 'SIGKILL');
        await server.start();
        await connected;
        // Not after the half minute that polling takes where a proxy is in the way.
        await until(() => client.transport === wished, `the WebSocket in round ${round}`);
      }
    });
  }

  it('107: tells calls that a loss leaves unanswered', async (t) => {
    const server = await serve(t);
    const proxy = await between(t, server);
    const client = await make(t, server, { url: proxy.url });
    await client.connect();
    const action = client.action('sleep', { sleepDuration: 20000 });
    const lost = assert.rejects(limited(action, 'the action to fail'), ({ error }) => /lost/.test(error.message));
    // Answered behind the action, so the action is running.
    await client.detailsView();
    const connected = raised(client, 'connected');
    proxy.cut();
    await lost;
    await connected;
    assert.equal((await client.detailsView()).messageCount, client.messageCount, 'both sides count anew');
  });

  it('107: comes back when the network is gone without a word', async (t) => {
    const server = await serve(t, '[limits]\nping_interval_ms = 1500\n');
    const proxy = await between(t, server);
    assert.equal((await make(t, server)).options.pingTimeout, 2250, 'what the server puts into the script');
    // Longer, so that load on the machine does not look like silence.
    const client = await make(t, server, { url: proxy.url, pingTimeout: 6000 });
    await client.connect();
    story(client);
    const connected = raised(client, 'connected');
    proxy.freeze();
    await connected;
    const [error, ...events] = story(client);
    assert.deepEqual([error, events.filter((event) => event !== 'error')], ['error', RECOVERY]);
    await server.untilConnections(1);
  });

  it('answers the heartbeat, and the connection stays', async (t) => {
    const server = await serve(t, '[limits]\nping_interval_ms = 1500\n');
    const client = await make(t, server, { pingTimeout: 6000 });
    const { id } = await client.connect();
    const [link] = client.links;
    const pings = [];
    link.on('message', (text) => { if (/^"primus::ping::/.test(text)) pings.push(String(text)); });
    await until(() => pings.length === 4, 'four pings');
    assert.equal((await client.detailsView()).id, id);
    for (const ping of pings) assert.ok(link.sent.includes(ping.replace('ping', 'pong')), `no answer to ${ping}`);
    assert.deepEqual(story(client), ['connected']);
    assert.equal(client.messageCount, 2, 'pongs are not counted');
  });

  for (const transport of ['ws', 'polling']) {
    it(`comes back when the server says so, over ${transport}`, async (t) => {
      // Nearly all of these times are longer than any timer, and so one and the same.
      const server = await serve(t, '[general]\nshutdown_retry_within_ms = 9007199254740991\n');
      const client = await make(t, server, { transports: [transport], XMLHttpRequest: requester(t) });
      await client.connect();
      const delays = [];
      const { setTimeout: start } = globalThis;
      globalThis.setTimeout = (fn, time, ...rest) => {
        delays.push(time);
        return start(fn, time, ...rest);
      };
      t.after(() => { globalThis.setTimeout = start; });
      const disconnected = raised(client, 'disconnected');
      assert.equal(await server.stop(), 0);
      assert.equal((await disconnected)[0].reconnect, true);
      assert.ok(delays.includes(2 ** 31 - 1), delays.join());
    });
  }

  it('108: does not come back after quit', async (t) => {
    const server = await serve(t);
    const client = await make(t, server, { rooms: ['lobby'] });
    await client.connect();
    story(client);
    const disconnected = raised(client, 'disconnected');
    client.links[0].send('{"event":"quit"}');
    await disconnected;
    await server.untilConnections(0);
    await assertEndedForGood(client);
  });

  it('108: does not come back to a server that sends its clients away', async (t) => {
    const server = await serve(t, '[general]\ndestroy_clients_on_shutdown = true\n');
    const client = await make(t, server);
    await client.connect();
    story(client);
    const disconnected = raised(client, 'disconnected');
    assert.equal(await server.stop(), 0);
    await disconnected;
    await server.start();
    await server.untilConnections(0);
    await assertEndedForGood(client);
  });

  it('108: does not come back after its own disconnect', async (t) => {
    const server = await serve(t);
    const client = await make(t, server);
    await client.connect();
    story(client);
    client.disconnect();
    await server.untilConnections(0);
    await assertEndedForGood(client);
    await assert.rejects(client.detailsView(), /not connected/);
  });
});

// The first attempt of these clients would follow within 20 ms.
async function assertEndedForGood(client) {
  await delay(300);
  assert.deepEqual(story(client), ['disconnected']);
  assert.equal(client.state, 'disconnected');
  assert.equal(client.links.length, 1);
}
