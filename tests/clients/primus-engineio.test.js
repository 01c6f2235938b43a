'use strict';

// npm `primus` 8 with its engine.io transformer, polling only and moving on to WebSocket: what it says and hears.

const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');
const { setTimeout: delay } = require('node:timers/promises');
const { Server } = require('./support/server');
const { wire } = require('./support/faults');
const { between } = require('./support/proxy');
const { WAYS, connectEngineIo, told, ask } = require('./support/primus');
const peer = require('./support/peer');
const { limited, raised, until } = require('./support/wait');

const ENDED = ['readyStateChange end', 'outgoing::end', 'close', 'end'];
const isSaid = (packet) => packet.context === 'user';

describe('a primus client of the engine.io transformer', () => {
  const server = new Server();
  before(() => server.start());
  after(() => server.kill());

  // A plain WebSocket client in the room.
  async function neighbour(t, room) {
    const socket = await peer.open(t, `${server.wsUrl}/ws`);
    await peer.ask(socket, { event: 'roomAdd', room });
    return socket;
  }

  for (const way of Object.keys(WAYS)) {
    describe(`over ${way}`, () => {
      const connect = (t, options) => connectEngineIo(t, server.url, way, options);

      it('opens in the order of Primus, is greeted, and sends early writes first', async (t) => {
        const client = connect(t);
        client.write({ event: 'detailsView' });
        client.write({ event: 'roomAdd', room: 'lobby' });
        await raised(client, 'open');
        const story = told(client);
        assert.deepEqual(story.slice(0, story.indexOf('open') + 1), [
          'outgoing::open', 'readyStateChange opening', 'outgoing::end', 'outgoing::url',
          'incoming::open', 'readyStateChange open', 'outgoing::data', 'outgoing::data', 'open',
        ]);
        assert.deepEqual(await client.inbox.next(), { welcome: 'Hello human! Welcome to Stellar', context: 'api' });
        assert.deepEqual((await client.inbox.response(1)).data.rooms, []);
        assert.equal((await client.inbox.response(2)).data, true);
      });

      // Once there is a session, this client takes its id for an answer and asks nobody.
      it('is told its id, that of detailsView, when it asks', async (t) => {
        const client = connect(t);
        const early = limited(new Promise((resolve) => client.id(resolve)), 'the id');
        const { data, messageCount } = await client.moved();
        assert.equal(messageCount, 1, 'the question for the id is not counted');
        assert.equal(await early, data.id);
        const own = await limited(new Promise((resolve) => client.id(resolve)), 'the id');
        assert.equal(own, client.socket.id);
        const asked = limited(new Promise((resolve) => client.once('incoming::id', resolve)), 'the id');
        client.socket.send('"primus::id::"');
        assert.equal(await asked, data.id);
        assert.deepEqual(client.inbox.unread.filter((packet) => typeof packet === 'string'), []);
      });

      it('speaks the verbs', async (t) => {
        const client = connect(t);
        const { data } = await client.moved();
        assert.equal((await ask(client, { event: 'roomAdd', room: 'random' })).status, 'OK');
        assert.ok((await ask(client, { event: 'roomView', room: 'random' })).data.members[data.id]);
        assert.equal((await ask(client, { event: 'say', room: 'random', message: 'hi' })).status, 'OK');
        const said = await client.inbox.said();
        assert.deepEqual([said.message, said.from], ['hi', data.id]);
        const sum = await ask(client, { event: 'action', params: { action: 'formattedSum', a: 3, b: 4 } });
        assert.equal(sum.formatted, '3 + 4 = 7');
        const file = await ask(client, { event: 'file', file: 'simple.html' });
        assert.equal(file.mime, 'text/html');
        assert.equal((await ask(client, { event: 'bogus' })).error.code, '014');
        assert.equal((await ask(client, { event: 'roomLeave', room: 'random' })).data, true);
      });

      it('carries every text as it is, and bytes as JSON', async (t) => {
        const [client, other] = [connect(t), await neighbour(t, 'lobby')];
        await client.moved();
        await ask(client, { event: 'roomAdd', room: 'lobby' });
        const messages = [
          'plain', 0, false, [null], { a: [1, { b: null }] }, 'Grüße, κόσμε, 世界', '😀 👩‍👩‍👧‍👦', '\u0000\u001e"\\',
          'line\u2028paragraph\u2029end', 'primus::server::close', '😀'.repeat(25000),
        ];
        for (const message of messages) client.write({ event: 'say', room: 'lobby', message });
        client.write({ event: 'say', room: 'lobby', message: Buffer.from([0, 254]) });
        for (const { inbox } of [client, other]) {
          for (const message of messages) assert.deepEqual((await inbox.said()).message, message);
          assert.deepEqual((await inbox.said()).message, { type: 'Buffer', data: [0, 254] });
        }
      });

      it('gets 10,000 answers and 10,000 messages, in order', async (t) => {
        const COUNT = 10000;
        const [client, other] = [connect(t), await neighbour(t, 'random')];
        await client.moved();
        await ask(client, { event: 'roomAdd', room: 'random' });
        for (let n = 0; n < COUNT; n++) {
          client.write({ event: 'detailsView' });
          peer.tell(other, { event: 'say', room: 'random', message: n });
        }
        const answers = await client.inbox.takeMany(COUNT, ({ context }) => context === 'response');
        assert.deepEqual(answers.map(({ messageCount }) => messageCount), Array.from({ length: COUNT }, (_, n) => n + 3));
        const said = await client.inbox.takeMany(COUNT, isSaid);
        assert.deepEqual(said.map(({ message }) => message), Array.from({ length: COUNT }, (_, n) => n));
      });

      it('gets a burst that comes while it is quiet', async (t) => {
        const [client, other] = [connect(t), await neighbour(t, 'defaultRoom')];
        await client.moved();
        await ask(client, { event: 'roomAdd', room: 'defaultRoom' });
        for (let n = 0; n < 500; n++) peer.tell(other, { event: 'say', room: 'defaultRoom', message: n });
        const said = await client.inbox.takeMany(500, isSaid);
        assert.deepEqual(said.map(({ message }) => message), Array.from({ length: 500 }, (_, n) => n));
      });

      it('ends with a last packet, and is no member any more', async (t) => {
        const [client, other] = [connect(t), await neighbour(t, 'random')];
        const { data } = await client.moved();
        await ask(client, { event: 'roomAdd', room: 'random' });
        told(client);
        client.end({ event: 'say', room: 'random', message: 'farewell' });
        assert.deepEqual(told(client), ['outgoing::data', ...ENDED]);
        assert.equal((await other.inbox.take((packet) => packet.from === data.id)).message, 'farewell');
        await until(async () => {
          const view = await peer.ask(other, { event: 'roomView', room: 'random' });
          return !view.data.members[data.id];
        }, 'the member to be gone');
      });

      it('is ended by quit, with the close message and no reconnection', async (t) => {
        const client = connect(t);
        await client.moved();
        told(client);
        client.write({ event: 'quit' });
        await raised(client, 'end');
        assert.deepEqual(told(client), ['outgoing::data', 'incoming::data', 'incoming::end', ...ENDED]);
        assert.equal(client.recovery.reconnecting(), false);
      });
    });
  }

  it('moves to WebSocket while both sides talk, and nothing is lost, doubled or out of order', async (t) => {
    const proxy = await between(t, server);
    // However slow this machine is, some of the talk comes before the move.
    let begin;
    const begun = new Promise((resolve) => { begin = resolve; });
    const tunnel = proxy.tunnel.bind(proxy);
    proxy.tunnel = (...handshake) => begun.then(() => tunnel(...handshake));
    const network = await wire(t, proxy, { latency: 20 });
    const other = await neighbour(t, 'lobby');
    const client = connectEngineIo(t, network.url, 'polling, then WebSocket');
    await ask(client, { event: 'roomAdd', room: 'lobby' });
    let count = 0;
    let isOver = false;
    const talk = (async () => {
      for (; !isOver; count++) {
        client.write({ event: 'detailsView' });
        peer.tell(other, { event: 'say', room: 'lobby', message: count });
        await delay(1);
      }
    })();
    await until(() => count > 10, 'some talk over polling');
    begin();
    await until(() => client.socket.transport.name === 'websocket', 'the move');
    const moved = count;
    await until(() => count > moved + 100, 'some talk over WebSocket');
    isOver = true;
    await talk;
    const answers = await client.inbox.takeMany(count, ({ context }) => context === 'response');
    assert.deepEqual(answers.map(({ messageCount }) => messageCount), Array.from({ length: count }, (_, n) => n + 2));
    const said = await client.inbox.takeMany(count, isSaid);
    assert.deepEqual(said.map(({ message }) => message), Array.from({ length: count }, (_, n) => n));
    assert.ok(moved > 0);
    assert.ok(!client.story.includes('close'));
  });

  it('is not moved by a server without WebSocket', async (t) => {
    const quiet = new Server('', 'polling');
    t.after(() => quiet.kill());
    await quiet.start();
    const client = connectEngineIo(t, quiet.url, 'polling, then WebSocket');
    const { data } = await ask(client, { event: 'detailsView' });
    assert.deepEqual(client.socket.upgrades || client.socket._upgrades, []);
    assert.equal(client.socket.transport.name, 'polling');
    assert.equal((await ask(client, { event: 'detailsView' })).data.id, data.id);
  });
});
