'use strict';

// npm `engine.io-client`, both versions, on both doors, over every transport that they have.

const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');
const { QUIET, Server, serve } = require('./support/server');
const { KINDS, open, tell, ask, join } = require('./support/engineio');
const peer = require('./support/peer');
const { raised, until } = require('./support/wait');

const isSaid = (packet) => packet.context === 'user';

// What a room has been told by one speaker, numbered, must be heard like this.
function assertNumbered(packets, count) {
  assert.deepEqual(packets.map(({ message }) => message), Array.from({ length: count }, (_, n) => n));
}

describe('an engine.io client', () => {
  const server = new Server(QUIET);
  before(() => server.start());
  after(() => server.kill());

  for (const kind of KINDS) {
    describe(kind.name, () => {
      const enter = (t) => open(t, server.url, kind);

      it('speaks the verbs, each answered by its number', async (t) => {
        const socket = await enter(t);
        assert.deepEqual(await socket.inbox.next(), { welcome: 'Hello human! Welcome to Stellar', context: 'api' });
        const { data } = await ask(socket, { event: 'detailsView' });
        assert.deepEqual([data.rooms, data.remoteIP], [[], '127.0.0.1']);
        assert.equal((await ask(socket, { event: 'say', room: 'lobby', message: 'early' })).error.code, '016');
        await join(socket, 'lobby');
        assert.equal((await ask(socket, { event: 'say', room: 'lobby', message: 'hi' })).status, 'OK');
        const said = await socket.inbox.said();
        assert.deepEqual([said.message, said.room, said.from], ['hi', 'lobby', data.id]);
        const wave = { event: 'wave', data: { hands: 2 } };
        assert.equal((await ask(socket, { event: 'event', params: { room: 'lobby', ...wave } })).status, 'OK');
        assert.deepEqual((await socket.inbox.said()).message, wave);
        const view = await ask(socket, { event: 'roomView', room: 'lobby' });
        assert.equal(view.data.members[data.id].id, data.id);
        assert.equal((await ask(socket, { event: 'roomLeave', room: 'lobby' })).data, true);
        const sum = await ask(socket, { event: 'action', params: { action: 'formattedSum', a: 3, b: 4 } });
        assert.equal(sum.formatted, '3 + 4 = 7');
        const unknown = await ask(socket, { event: 'action', params: { action: 'nope' } });
        assert.equal(unknown.error.code, '004');
        const image = await ask(socket, { event: 'file', file: 'images/logo.png' });
        assert.equal(Buffer.from(image.content, 'base64').length, image.length);
        assert.equal((await ask(socket, { event: 'bogus' })).error.code, '014');
        const sleep = { event: 'action', params: { action: 'sleep', sleepDuration: 60 } };
        const slow = socket.inbox.response(tell(socket, sleep));
        assert.equal((await ask(socket, { event: 'detailsView' })).data.id, data.id, 'not held up by the action');
        assert.equal((await slow).sleepDuration, 60);
      });

      it('carries every text as it is', async (t) => {
        const [speaker, listener] = [await enter(t), await enter(t)];
        for (const socket of [speaker, listener]) await join(socket, 'random');
        const messages = [
          'plain', ' ', 0, -1.5e300, [null], { a: [1, { b: null }] }, 'Grüße, κόσμε, 世界, שלום',
          '😀 👩‍👩‍👧‍👦 🏳️‍🌈', 'line\u2028paragraph\u2029end', '\u0000\u001e\u001f"\\/</script>', '2:40',
          '10:b4AQIDBA==', 'primus::server::close', 'primus::ping::1', '😀'.repeat(25000),
        ];
        for (const message of messages) tell(speaker, { event: 'say', room: 'random', message });
        for (const socket of [speaker, listener]) {
          for (const message of messages) assert.deepEqual((await socket.inbox.said()).message, message);
        }
        assert.deepEqual(speaker.story.concat(listener.story).filter((event) => /rror|close/.test(event)), []);
      });

      it('may send binary messages: JSON is a packet, anything else ends the connection', async (t) => {
        const socket = await enter(t);
        const packet = Buffer.from(JSON.stringify({ event: 'detailsView', extra: 'Grüße 😀' }));
        // A view into more than is to be sent.
        const wide = new Uint8Array(packet.length + 8).fill(0xff);
        wide.set(packet, 3);
        const inside = wide.subarray(3, 3 + packet.length);
        for (const bytes of [packet, inside]) {
          socket.send(bytes);
          socket.sent++;
          assert.equal((await socket.inbox.response(socket.sent)).status, 'OK');
        }
        tell(socket, { event: 'detailsView' });
        socket.send(packet);
        socket.sent++;
        assert.equal((await ask(socket, { event: 'detailsView' })).messageCount, 5, 'in order with texts');
        socket.send(Buffer.from([0xff, 0xfe, 0x00, 0x80]));
        await socket.ended;
      });

      it('gets 10,000 answers in order', async (t) => {
        const socket = await enter(t);
        for (let n = 0; n < 10000; n++) tell(socket, { event: 'detailsView' });
        await socket.inbox.response(10000);
        const numbers = socket.inbox.unread.map(({ messageCount }) => messageCount).filter(Boolean);
        assert.deepEqual(numbers, Array.from({ length: 9999 }, (_, n) => n + 1));
      });

      it('hears 10,000 messages in order', async (t) => {
        const [speaker, socket] = [await peer.open(t, `${server.wsUrl}/ws`), await enter(t)];
        await peer.ask(speaker, { event: 'roomAdd', room: 'lobby' });
        await join(socket, 'lobby');
        for (let n = 0; n < 10000; n++) peer.tell(speaker, { event: 'say', room: 'lobby', message: n });
        assertNumbered(await socket.inbox.takeMany(10000, isSaid), 10000);
        await ask(socket, { event: 'detailsView' });
        assert.deepEqual(socket.inbox.unread.filter(isSaid), [], 'nothing comes twice');
      });

      it('gets a burst that comes while it waits in few answers', async (t) => {
        const COUNT = 500;
        const [speaker, socket] = [await peer.open(t, `${server.wsUrl}/ws`), await enter(t)];
        await peer.ask(speaker, { event: 'roomAdd', room: 'defaultRoom' });
        await join(socket, 'defaultRoom');
        const isPolling = kind.way === 'polling';
        let answers = 0;
        socket.transport.on('pollComplete', () => { answers++; });
        // Its next GET began in the turn in which the answer to the one before was read; now it is at the server.
        await peer.ask(speaker, { event: 'detailsView' });
        for (let n = 0; n < COUNT; n++) peer.tell(speaker, { event: 'say', room: 'defaultRoom', message: n });
        assertNumbered(await socket.inbox.takeMany(COUNT, isSaid), COUNT);
        assert.ok(isPolling ? answers > 0 && answers < COUNT / 4 : answers === 0, `${answers} answers`);
      });

      it('leaves its rooms when it closes', async (t) => {
        const [witness, socket] = [await peer.open(t, `${server.wsUrl}/ws`), await enter(t)];
        await peer.ask(witness, { event: 'roomAdd', room: 'random' });
        await join(socket, 'random');
        const view = async () => (await peer.ask(witness, { event: 'roomView', room: 'random' })).data.members;
        const { data } = await ask(socket, { event: 'detailsView' });
        assert.ok((await view())[data.id]);
        tell(socket, { event: 'say', room: 'random', message: 'the last words' });
        socket.close();
        await until(async () => !(await view())[data.id], 'the member to be gone');
        const last = await witness.inbox.take((packet) => isSaid(packet) && packet.from === data.id);
        assert.equal(last.message, 'the last words');
      });
    });
  }
});

describe('engine.io clients of a server that stops', () => {
  it('are closed, all of them, and what was on its way arrives', async (t) => {
    const server = await serve(t);
    const sockets = await Promise.all(KINDS.map((kind) => open(t, server.url, kind)));
    for (const socket of sockets) await join(socket, 'lobby');
    assert.equal(await server.connections(), KINDS.length);
    const answers = sockets.map((socket) => socket.inbox.response(
      tell(socket, { event: 'action', params: { action: 'sleep', sleepDuration: 300 } }),
    ));
    for (const socket of sockets) await ask(socket, { event: 'detailsView' });
    const stopped = server.stop();
    for (const answer of answers) assert.equal((await answer).sleepDuration, 300, 'running actions are finished');
    for (const socket of sockets) assert.match(await socket.ended, /^transport (close|error)$/);
    assert.equal(await stopped, 0);
  });

  it('are closed when it is killed', async (t) => {
    const server = await serve(t);
    const sockets = await Promise.all(KINDS.map((kind) => open(t, server.url, kind)));
    for (const socket of sockets) await ask(socket, { event: 'detailsView' });
    await server.stop('SIGKILL');
    for (const socket of sockets) assert.match(await socket.ended, /^transport (close|error)$/);
  });
});

// They spend their time waiting, so they do it side by side.
describe('the heartbeat of engine.io clients', { concurrency: true }, () => {
  const INTERVAL = 300;
  const server = new Server(`[polling]\nping_interval_ms = ${INTERVAL}\nping_timeout_ms = 60000\n`);
  before(() => server.start());
  after(() => server.kill());

  for (const kind of KINDS) {
    it(`keeps a quiet ${kind.name} for five intervals`, async (t) => {
      const socket = await open(t, server.url, kind);
      const before = await ask(socket, { event: 'detailsView' });
      const began = Date.now();
      for (let beat = 0; beat < 5; beat++) await raised(socket, 'pong');
      assert.ok(Date.now() - began > 4 * INTERVAL, 'one per interval');
      const after = await ask(socket, { event: 'detailsView' });
      assert.deepEqual([after.data.id, after.messageCount], [before.data.id, 2]);
      assert.ok(!socket.story.includes('close'));
    });
  }
});
