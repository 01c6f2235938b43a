'use strict';

// Proxies that break WebSocket, or what they think of it: npm `engine.io-client` and the served client script connect
// nevertheless, say what they use, and the script returns to WebSocket when it can.

const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');
const { Server } = require('./support/server');
const { CLIENTS, start, ask, join, open, tell } = require('./support/engineio');
const { FAULTS, faulty, wire } = require('./support/faults');
const peer = require('./support/peer');
const { load, make, requester, seen, story } = require('./support/stellar');
const { limited, raised, until } = require('./support/wait');

const ROOM = 'lobby';
// Pings in time for a proxy that waits 2 s; the server gives up upgrades in time for the test.
const CONFIG = [
  '[limits]', 'ping_interval_ms = 1000', '[polling]', 'ping_interval_ms = 1000', 'upgrade_timeout_ms = 1000', '',
].join('\n');

describe('a proxy', { concurrency: true }, () => {
  const server = new Server(CONFIG);
  before(() => server.start());
  after(() => server.kill());

  // A member of the room that says what it is told to, and hears the others.
  async function witness(t) {
    const socket = await peer.open(t, `${server.wsUrl}/ws`);
    await peer.ask(socket, { event: 'roomAdd', room: ROOM });
    return socket;
  }

  for (const [name, fault] of Object.entries(FAULTS)) {
    for (const client of Object.keys(CLIENTS)) {
      it(`that ${name}: ${client} polls, before and after its upgrade has failed`, async (t) => {
        const proxy = await faulty(t, server, fault);
        const other = await witness(t);
        const socket = start(t, proxy.url, { client, door: '/engine.io/', way: 'polling, then WebSocket' });
        await raised(socket, 'open');
        await join(socket, ROOM);
        await until(() => proxy.upgrades.length === 1, 'the attempt to upgrade');
        const began = Date.now();
        // Long enough for the server to give up on what it holds of the upgrade, and for pings.
        for (let n = 0; Date.now() - began < 2500; n++) {
          const message = `${client} ${name} ${n}`;
          tell(socket, { event: 'say', room: ROOM, message });
          await other.inbox.take((packet) => packet.message === message, message);
          await socket.inbox.take((packet) => packet.message === message, `${message}, back`);
        }
        assert.equal(socket.transport.name, 'polling');
        assert.ok(!socket.story.includes('close') && !socket.story.includes('upgrade'), socket.story.join());
        assert.equal((await ask(socket, { event: 'detailsView' })).status, 'OK');
      });
    }

    it(`that ${name}: the client script polls, and recovers WebSocket when it heals`, async (t) => {
      const proxy = await faulty(t, server, fault);
      const other = await witness(t);
      const client = await make(t, server, {
        url: proxy.url, rooms: [ROOM], XMLHttpRequest: requester(t), upgradeDelay: 500, connectTimeout: 0,
      });
      const transports = [];
      client.on('transport', (transport) => transports.push(transport));
      const heard = [];
      client.on('say', ({ message, from }) => { if (from === other.id) heard.push(message); });
      other.id = (await peer.ask(other, { event: 'detailsView' })).data.id;

      await client.connect();
      assert.equal(client.transport, 'polling');
      assert.deepEqual(transports, ['polling']);
      assert.ok(proxy.upgrades.length >= 1, 'WebSocket was tried first'); // and perhaps once more since, on a slow machine
      const { id } = client;

      const sum = await client.action('formattedSum', { a: 3, b: 4 });
      assert.deepEqual([sum.formatted, sum.context], ['3 + 4 = 7', 'response'], 'over the connection, not by /api');
      await client.say(ROOM, `${name}: by polling`);
      await other.inbox.take(({ message }) => message === `${name}: by polling`);

      // One that fails, then one that does not.
      await until(() => proxy.upgrades.length >= 2, 'an attempt to upgrade');
      assert.equal(client.transport, 'polling');
      proxy.heal();
      let said = 0;
      const moved = raised(client, 'transport');
      const calls = [];
      await until(async () => {
        peer.tell(other, { event: 'say', room: ROOM, message: said++ });
        calls.push(client.detailsView());
        await limited(calls.at(-1), 'an answer');
        return client.transport === 'ws';
      }, 'the move to WebSocket');
      assert.equal((await moved)[0], 'ws');
      assert.equal(client.transport, 'ws');
      peer.tell(other, { event: 'say', room: ROOM, message: said++ });
      await until(() => heard.length >= said, 'all that was said meanwhile');
      assert.deepEqual(heard, Array.from({ length: said }, (_, n) => n));
      const numbers = (await Promise.all(calls)).map(({ messageCount }) => messageCount);
      numbers.forEach((number, index) => assert.equal(number, numbers[0] + index));
      assert.equal((await client.detailsView()).id, id, 'the same connection');
      assert.deepEqual(client.rooms, [ROOM]);
      assert.deepEqual(story(client), ['connected']);
    });
  }

  it('that never relays the 101: what worked is remembered for the life of the page', async (t) => {
    const proxy = await faulty(t, server, FAULTS['never relays the 101']);
    const script = load(server);
    const connect = async () => {
      const client = await make(t, server, { url: proxy.url, XMLHttpRequest: requester(t), fallbackTimeout: 500 }, script);
      await client.connect();
      assert.equal(client.transport, 'polling');
    };
    await connect();
    await connect();
    assert.equal(proxy.upgrades.length, 1, 'the second client did not try what had failed');
  });

  for (const client of Object.keys(CLIENTS)) {
    for (const way of ['polling', 'WebSocket', 'polling, then WebSocket']) {
      it(`that closes what is idle for 2 s: ${client} stays over ${way}, thanks to pings`, async (t) => {
        const proxy = await wire(t, server, { idle: 2000 });
        const socket = await open(t, proxy.url, { client, door: '/engine.io/', way });
        const { data } = await ask(socket, { event: 'detailsView' });
        for (let beat = 0; beat < 5; beat++) await raised(socket, 'pong');
        assert.equal((await ask(socket, { event: 'detailsView' })).data.id, data.id);
        assert.ok(!socket.story.includes('close'));
      });
    }
  }

  for (const transports of [['ws', 'polling'], ['polling']]) {
    it(`that closes what is idle for 2 s: the client script stays with ${transports}, thanks to pings`, async (t) => {
      const proxy = await wire(t, server, { idle: 2000 });
      const client = await make(t, server, { url: proxy.url, transports, rooms: [ROOM], XMLHttpRequest: requester(t) });
      const { id } = await client.connect();
      assert.equal(client.transport, transports[0]);
      const { length } = client.links;
      const began = Date.now();
      await until(() => Date.now() - began > 5000, 'more than two of its patiences');
      assert.equal((await client.detailsView()).id, id);
      assert.deepEqual([client.links.length, story(client)], [length, ['connected']]);
    });
  }
});

// Pings every 25 s and 30 s, as the server does by itself.
describe('a proxy that closes what is idle before a ping comes', { concurrency: true }, () => {
  const server = new Server();
  before(() => server.start());
  after(() => server.kill());

  for (const transports of [['ws', 'polling'], ['polling']]) {
    it(`loses the client script with ${transports} again and again, and it comes back into its rooms`, async (t) => {
      const proxy = await wire(t, server, { idle: 2000 });
      const client = await make(t, server, { url: proxy.url, transports, rooms: [ROOM], XMLHttpRequest: requester(t) });
      await client.connect();
      for (let round = 0; round < 2; round++) {
        await raised(client, 'disconnected');
        await raised(client, 'connected');
        assert.equal(client.transport, transports[0]);
        await client.say(ROOM, `back ${transports} ${round}`);
        const isBack = ({ message }) => message === `back ${transports} ${round}`;
        await until(() => seen(client, 'say').some(isBack), 'its words');
      }
      assert.ok(proxy.cuts >= 2);
    });
  }

  it('ends a session of engine.io-client 6, on both sides', async (t) => {
    const proxy = await wire(t, server, { idle: 2000 });
    const other = await peer.open(t, `${server.wsUrl}/ws`);
    await peer.ask(other, { event: 'roomAdd', room: ROOM });
    const socket = await open(t, proxy.url, { client: 'engine.io-client 6', door: '/engine.io/', way: 'polling' });
    await join(socket, ROOM);
    const { data } = await ask(socket, { event: 'detailsView' });
    assert.match(await socket.ended, /^transport (close|error)$/);
    await until(async () => {
      const view = await peer.ask(other, { event: 'roomView', room: ROOM });
      return !view.data.members[data.id];
    }, 'the member to be gone');
  });
});
