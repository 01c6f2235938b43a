'use strict';

// npm `primus` 8 and the heartbeat: the server pings, the client answers, and gives up where no ping comes.

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');
const { setTimeout: delay } = require('node:timers/promises');
const { serve } = require('./support/server');
const { between } = require('./support/proxy');
const { connect, told, ask } = require('./support/primus');
const { raised, until } = require('./support/wait');

const INTERVAL = 1500; // not less: between two pings a slow machine has to answer
const CONFIG = `[limits]\nping_interval_ms = ${INTERVAL}\n`;

// They spend their time waiting, so they do it side by side.
describe('the heartbeat of primus clients', { concurrency: true }, () => {
  it('keeps a quiet client for five intervals', async (t) => {
    const server = await serve(t, CONFIG);
    const client = connect(t, server.url, { pingTimeout: 4 * INTERVAL });
    const pings = [];
    const pongs = [];
    const before = await ask(client, { event: 'detailsView' });
    client.on('incoming::ping', (number) => pings.push(number));
    client.on('outgoing::pong', (number) => pongs.push(number));
    const started = Date.now();
    told(client);
    await until(() => pongs.length === 5, 'five pongs');
    assert.ok(Date.now() - started > 4 * INTERVAL, 'one ping per interval');
    assert.deepEqual(pongs, pings);
    for (const number of pings) assert.ok(Math.abs(Date.now() - number) < 60000, `${number} is a time`);
    assert.deepEqual(pings, [...new Set(pings)].sort(), 'each ping is a later one');
    const beat = ['incoming::data', 'incoming::ping', 'outgoing::pong', 'outgoing::data'];
    assert.deepEqual(told(client).slice(0, 20), [...beat, ...beat, ...beat, ...beat, ...beat]);
    const after = await ask(client, { event: 'detailsView' });
    assert.equal(after.data.id, before.data.id);
    assert.equal(after.messageCount, 2, 'pongs are not counted');
  });

  it('is part of the description that clients are compiled from', async (t) => {
    const server = await serve(t, CONFIG);
    const spec = await (await fetch(`${server.url}/primus/spec`)).json();
    assert.equal(spec.pingInterval, INTERVAL);
  });

  it('ends a client that has fallen silent, so that it comes back', async (t) => {
    const server = await serve(t, CONFIG);
    const client = connect(t, server.url);
    const before = await ask(client, { event: 'detailsView' });
    const closed = new Promise((resolve) => client.socket.on('close', (code) => resolve(code)));
    const open = raised(client, 'open');
    // Nothing at all leaves any more: neither Primus's pongs nor those of WebSocket.
    client.socket._socket.pause();
    client.socket._socket.write = () => true;
    const ended = () => server.metric('stellar_connections_closed_total', '{reason="heartbeat_missed"}');
    await until(async () => await ended() === 1, 'the server to give up');
    client.socket._socket.resume();
    await open;
    assert.equal(await closed, 1005, 'Primus servers close without a code');
    assert.ok(!client.story.includes('end'), 'it was not sent away for good');
    const after = await ask(client, { event: 'detailsView' });
    assert.notEqual(after.data.id, before.data.id);
  });

  it('is missed by a client that is cut off, which comes back', async (t) => {
    const server = await serve(t, CONFIG);
    const proxy = await between(t, server);
    const client = connect(t, proxy.url, { pingTimeout: 3 * INTERVAL });
    await ask(client, { event: 'detailsView' });
    const online = raised(client, 'online');
    const open = raised(client, 'open');
    await raised(client, 'incoming::ping');
    told(client);
    proxy.freeze();
    await online;
    await open;
    const story = told(client);
    const offline = story.indexOf('offline');
    assert.deepEqual(story.slice(offline, story.indexOf('open') + 1), [
      'offline', 'incoming::end', 'readyStateChange end', 'close', 'reconnect scheduled',
      'outgoing::reconnect', 'outgoing::open', 'readyStateChange opening', 'outgoing::end', 'outgoing::url',
      'reconnect',
      'incoming::open', 'reconnected', 'online', 'readyStateChange open', 'open',
    ]);
    assert.equal((await ask(client, { event: 'detailsView' })).messageCount, 1);
    await server.untilConnections(1);
  });

  it('can be turned off', async (t) => {
    const server = await serve(t, '[limits]\nping_interval_ms = 0\n');
    const client = connect(t, server.url);
    await ask(client, { event: 'detailsView' });
    told(client);
    await delay(2 * INTERVAL);
    assert.deepEqual(told(client), []);
    const spec = await (await fetch(`${server.url}/primus/spec`)).json();
    assert.equal(spec.pingInterval, false);
  });
});
