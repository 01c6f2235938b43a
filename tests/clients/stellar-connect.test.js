'use strict';

// The served client script in Node, with `ws` as its socket: connecting, events, rooms. Numbers are those of the
// Stellar checks.

const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');
const { Server } = require('./support/server');
const { between } = require('./support/proxy');
const { scripted } = require('./support/scripted');
const { make, story, seen } = require('./support/stellar');
const { limited, raised, until } = require('./support/wait');

const WELCOME = 'Hello human! Welcome to Stellar';

// The arguments that a callback is given.
function given(start) {
  return limited(new Promise((resolve) => start((...args) => resolve(args))), 'the callback');
}

describe('the client script that connects', () => {
  const server = new Server();
  before(() => server.start());
  after(() => server.kill());

  it('101: sends actions over the socket once it is connected', async (t) => {
    const proxy = await between(t, server);
    const client = await make(t, server, { url: proxy.url });
    await client.connect();
    const response = await client.action('formattedSum', { a: 3, b: 4 });
    assert.deepEqual(response, { formatted: '3 + 4 = 7', context: 'response', messageCount: client.messageCount });
    const [called] = await given((done) => client.action('isolated.action', done));
    assert.deepEqual(called, { success: 'ok', context: 'response', messageCount: client.messageCount });
    assert.deepEqual(proxy.requests, []);
    assert.equal(proxy.upgrades.length, 1);
    assert.match(proxy.upgrades[0].url, /^\/primus\?_primuscb=\w+$/);
  });

  it('103: calls back after connect with null and the details', async (t) => {
    const client = await make(t, server);
    const args = await given((done) => client.connect(done));
    assert.equal(args.length, 2);
    const [error, details] = args;
    assert.equal(error, null);
    assert.deepEqual([details.context, details.status], ['response', 'OK']);
    assert.equal(details.data.totalActions, 0);
    assert.equal(details.data.id, client.id);
    assert.equal(client.welcomeMessage, WELCOME);
    assert.equal(client.state, 'connected');
    assert.deepEqual(seen(client, 'welcome'), [{ welcome: WELCOME, context: 'api' }]);
    await until(() => story(client).includes('connected'), 'connected');
  });

  it('104: resolves connect with the details', async (t) => {
    const client = await make(t, server);
    const details = await client.connect();
    assert.equal(details.totalActions, 0);
    assert.deepEqual(details.rooms, []);
    assert.equal(details.id, client.id);
  });

  it('104: rejects a failed connect, and goes on trying', async (t) => {
    const proxy = await between(t, server);
    proxy.takesUpgrades = false;
    const client = await make(t, server, { url: proxy.url });
    await assert.rejects(client.connect(), (error) => error instanceof Error && error.message !== '');
    assert.notEqual(client.state, 'connected');
    const connected = raised(client, 'connected');
    proxy.takesUpgrades = true;
    await connected;
    assert.equal((await client.detailsView()).data.id, client.id);
  });

  it('106: raises alert, api and message for what the server pushes', async (t) => {
    const pushing = await scripted(t);
    const client = await make(t, server, { url: pushing.url });
    await client.connect();
    client.events.length = 0;
    const packets = [
      { context: 'alert', message: 'mind the gap' },
      { context: 'api', message: 'from the server' },
      { context: 'weather', sky: 'blue' },
      { note: 'no context at all' },
      { context: 'user', message: 'hi', room: 'r', from: 0, sentAt: 1 },
    ];
    const said = raised(client, 'say');
    packets.forEach((packet) => pushing.push(packet));
    await said;
    const [alert, api, weather, bare, user] = packets;
    assert.deepEqual(seen(client, 'message'), packets, 'every packet');
    assert.deepEqual(seen(client, 'alert'), [alert]);
    assert.deepEqual(seen(client, 'api'), [api, weather, bare], 'unknown contexts too');
    assert.deepEqual(seen(client, 'say'), [user]);
    assert.deepEqual(client.events.slice(0, 2).map(([name]) => name), ['message', 'alert'], 'message comes first');
  });

  it('106: raises the alert of the real server, about a frame that is no packet', async (t) => {
    const client = await make(t, server);
    await client.connect();
    const alert = raised(client, 'alert');
    client.links[0].send('no packet');
    const [packet] = await alert;
    assert.equal(packet.context, 'alert');
    assert.ok(packet.error);
    assert.equal((await client.action('isolated.action')).success, 'ok', 'the numbers still match');
  });

  it('109: connect and disconnect five times leaves one connection', async (t) => {
    const client = await make(t, server);
    await server.untilConnections(0);
    for (let round = 0; round < 5; round++) {
      if (round) client.disconnect();
      await client.connect();
      await client.roomAdd('lobby');
    }
    await server.untilConnections(1);
    assert.equal(client.links.length, 5);
    assert.equal((await client.roomView('lobby')).membersCount, 1);
    assert.equal(seen(client, 'connected').length, 5);
    assert.equal(seen(client, 'disconnected').length, 4);
    const events = ['reconnecting', 'reconnect', 'error'].flatMap((event) => seen(client, event));
    assert.deepEqual(events, []);
  });

  it('109: connect five times at once leaves one connection', async (t) => {
    const client = await make(t, server);
    await server.untilConnections(0);
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => client.connect()));
    assert.deepEqual(results.map(({ status }) => status), [...Array(4).fill('rejected'), 'fulfilled']);
    assert.equal(results[0].reason.message, 'replaced by another connect()');
    await server.untilConnections(1);
    assert.equal((await client.detailsView()).data.id, client.id);
    assert.equal(seen(client, 'connected').length, 1);
  });

  it('110: off stops a handler, and only that one', async (t) => {
    const client = await make(t, server, { rooms: ['lobby'] });
    const calls = [];
    const first = (packet) => calls.push(['first', packet.message]);
    const second = (packet) => calls.push(['second', packet.message]);
    await client.connect();
    client.on('say', first);
    client.on('say', second);
    client.once('say', () => calls.push(['once']));
    await client.say('lobby', 1);
    await until(() => calls.length === 3, 'three calls');
    client.off('say', first);
    await client.say('lobby', 2);
    await until(() => calls.length === 4, 'one more call');
    client.removeListener('say', second);
    await client.say('lobby', 3);
    await until(() => seen(client, 'say').length === 3, 'the last words');
    assert.deepEqual(calls, [['first', 1], ['second', 1], ['once'], ['second', 2]]);
  });

  it('110: handlers are not doubled by a reconnection', async (t) => {
    const proxy = await between(t, server);
    const client = await make(t, server, { url: proxy.url, rooms: ['lobby'] });
    const calls = [];
    client.on('say', (packet) => calls.push(packet.message));
    client.from('lobby').on('wave', (data) => calls.push(data));
    await client.connect();
    for (const round of [1, 2, 3]) {
      const connected = raised(client, 'connected');
      proxy.cut();
      await connected;
      await client.to('lobby').emit('wave', round);
      await until(() => calls.length >= 2 * round, 'the wave');
    }
    // The answer to a question behind it: whatever is doubled would have come by now.
    await client.detailsView();
    assert.deepEqual(calls.filter((call) => typeof call === 'number'), [1, 2, 3]);
    assert.equal(calls.length, 6);
  });

  it('shares the identity of its cookie with the socket', async (t) => {
    globalThis.document = { cookie: 'other=1; sessionID=shared; last=2' };
    t.after(() => { delete globalThis.document; });
    const client = await make(t, server);
    const details = await client.connect();
    assert.equal(details.fingerprint, 'shared');
    assert.equal(client.fingerprint, 'shared');
  });
});
