'use strict';

// npm `socket.io-client`, every version, over every transport: what applications do with it.

const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');
const { QUIET, Server } = require('./support/server');
const { KINDS, open, ask, join } = require('./support/socketio');
const peer = require('./support/peer');
const { raised, until } = require('./support/wait');

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

// Says something without asking for an answer.
const tell = (socket, room, message) => socket.emit('say', { room, message });

const isSaid = (packet) => packet.context === 'user';

describe('a socket.io client', () => {
  const server = new Server(QUIET);
  before(() => server.start());
  after(() => server.kill());

  for (const kind of KINDS) {
    describe(kind.name, () => {
      const enter = (t) => open(t, server.url, kind);

      it('is greeted, and its id is the one that others see', async (t) => {
        const socket = await enter(t);
        assert.deepEqual(await socket.inbox.next(), { welcome: 'Hello human! Welcome to Stellar', context: 'api' });
        const { data } = await ask(socket, 'detailsView');
        assert.match(data.id, UUID);
        assert.deepEqual([data.rooms, data.remoteIP], [[], '127.0.0.1']);
        // Version 4 of the protocol does not send one: its clients show the session's.
        assert.equal(socket.id, kind.protocol === 5 ? data.id : socket.io.engine.id);
        assert.match(socket.io.engine.id, /^[\w-]{24}$/);
        assert.deepEqual(socket.story, ['connect']);
      });

      it('emits verbs, and each ack is called with the answer', async (t) => {
        const socket = await enter(t);
        const { data } = await ask(socket, 'detailsView', {});
        await join(socket, 'lobby');
        assert.equal((await ask(socket, 'roomJoin', { room: 'random' })).data, true);
        const answer = await ask(socket, 'say', { message: 'hi', room: 'lobby' });
        assert.deepEqual(answer, { status: 'OK', context: 'response', messageCount: 4 });
        const said = await socket.inbox.said();
        assert.deepEqual([said.message, said.room, said.from], ['hi', 'lobby', data.id]);
        const wave = { event: 'wave', data: { hands: 2 } };
        assert.equal((await ask(socket, 'event', { params: { room: 'lobby', ...wave } })).status, 'OK');
        assert.deepEqual((await socket.inbox.said()).message, wave);
        const view = await ask(socket, 'roomView', { room: 'lobby' });
        assert.equal(view.data.members[data.id].id, data.id);
        assert.equal((await ask(socket, 'roomLeave', { room: 'lobby' })).data, true);
        const sum = await ask(socket, 'action', { params: { action: 'formattedSum', a: 3, b: 4 } });
        assert.deepEqual(sum, { formatted: '3 + 4 = 7', context: 'response', messageCount: 8 });
        const image = await ask(socket, 'file', { file: 'images/logo.png' });
        assert.equal(Buffer.from(image.content, 'base64').length, image.length);
        // To msgpack, `undefined` is a value.
        const named = { messageId: 'mine', extra: undefined };
        assert.equal((await ask(socket, 'detailsView', named)).messageId, 'mine');
        const slow = ask(socket, 'action', { params: { action: 'sleep', sleepDuration: 60 } });
        assert.deepEqual((await ask(socket, 'detailsView')).data.rooms, ['random'], 'not held up by the action');
        const slept = await slow;
        assert.deepEqual([slept.sleepDuration, slept.messageCount], [60, 11]);
        assert.deepEqual(socket.inbox.unread.filter(({ context }) => context === 'response'), [], 'no event on top');
      });

      it('emits the name of an action, and the ack is called with its response', async (t) => {
        const socket = await enter(t);
        const sum = await ask(socket, 'formattedSum', { a: 3, b: 4 });
        assert.deepEqual(sum, { formatted: '3 + 4 = 7', context: 'response', messageCount: 1 });
        const [one, two] = await Promise.all([ask(socket, 'randomNumber'), ask(socket, 'randomNumber', {})]);
        assert.deepEqual([typeof one.number, typeof two.number], ['number', 'number']);
        assert.equal((await ask(socket, 'nope', {})).error.code, '014');
        // A verb is a verb: what it calls is among its params.
        assert.deepEqual((await ask(socket, 'action', { params: { action: 'formattedSum', a: 1, b: 2 } })).formatted, '1 + 2 = 3');
      });

      it('emits verbs without an ack, and gets the answers as events', async (t) => {
        const socket = await enter(t);
        socket.emit('detailsView');
        socket.emit('roomAdd', { room: 'lobby' });
        socket.emit('say', { room: 'lobby', message: 'hi' });
        socket.emit('bogus', { room: 'lobby' });
        socket.emit('action', { params: { action: 'formattedSum', a: 3, b: 4 } });
        assert.deepEqual((await socket.inbox.response(1)).data.rooms, []);
        assert.equal((await socket.inbox.response(2)).data, true);
        assert.deepEqual(await socket.inbox.response(3), { status: 'OK', context: 'response', messageCount: 3 });
        assert.equal((await socket.inbox.said()).message, 'hi');
        assert.equal((await socket.inbox.response(4)).error.code, '014');
        assert.equal((await socket.inbox.response(5)).formatted, '3 + 4 = 7');
      });

      it('may send whole packets as the event "message"', async (t) => {
        const socket = await enter(t);
        const { data } = await ask(socket, 'message', { event: 'detailsView' });
        assert.match(data.id, UUID);
        socket.emit('message', { event: 'roomAdd', room: 'lobby' });
        assert.equal((await socket.inbox.response(2)).data, true);
        const packet = { event: 'say', room: 'lobby', message: { event: 'detailsView' } };
        assert.equal((await ask(socket, 'message', packet)).status, 'OK');
        assert.deepEqual((await socket.inbox.said()).message, { event: 'detailsView' });
        // Elsewhere the name of the event is the verb, whatever the argument says.
        const view = await ask(socket, 'roomView', { ...packet, event: 'say' });
        assert.equal(view.data.members[data.id].id, data.id);
        await ask(socket, 'detailsView');
        assert.deepEqual(socket.inbox.unread.filter(isSaid), []);
      });

      it('is told by the ack what was wrong, and stays', async (t) => {
        const socket = await enter(t);
        const code = async (...args) => (await ask(socket, ...args)).error.code;
        for (const name of ['bogus', 'paramAdd', 'response', 'détails 😀', '__proto__']) {
          const answer = await ask(socket, name, { room: 'lobby' });
          assert.equal(answer.error.code, '014', name);
          assert.equal(answer.status, `Verb not found or not allowed (${name})`);
        }
        for (const name of ['bogus', 'x'.repeat(1000)]) assert.equal(await code(name), '014');
        for (const packet of [{}, { room: 'lobby' }, { event: 'bogus' }, { event: 5 }]) {
          assert.equal(await code('message', packet), '014');
        }
        for (const argument of ['text', 5, true, [{ room: 'lobby' }]]) {
          for (const name of ['say', 'detailsView']) {
            assert.equal(await code(name, argument), '023', `${name} ${JSON.stringify(argument)}`);
          }
          // A packet like any other, without a verb.
          assert.equal(await code('message', argument), '014');
        }
        assert.equal(await code('say', {}, {}), '023');
        assert.equal(await code('message', {}, {}), '014');
        assert.equal(await code('say', null), '015', 'as if it were left out');
        assert.equal(await code('roomAdd'), '021');
        assert.equal(await code('roomView', {}), '021');
        assert.equal(await code('roomAdd', { room: 'nowhere' }), '019');
        await join(socket, 'lobby');
        assert.equal(await code('roomAdd', { room: 'lobby' }), '017');
        assert.equal(await code('say', { room: 'random', message: 'early' }), '016');
        assert.equal(await code('say', { room: 'lobby' }), '015');
        assert.equal(await code('say', { message: 'nobody' }), '015');
        assert.equal(await code('event', { params: { room: 'lobby' } }), '015');
        assert.equal(await code('action'), '004');
        assert.equal(await code('action', { params: { action: 'nope' } }), '004');
        const { error } = await ask(socket, 'action', { params: { action: 'formattedSum', a: 3 } });
        assert.deepEqual(Object.keys(error), ['b']);
        assert.equal(await code('file', { file: '../Cargo.toml' }), '010');
        assert.deepEqual(socket.story, ['connect']);
        assert.deepEqual(socket.inbox.unread.filter(({ welcome }) => !welcome), [], 'nothing came as an event');
      });

      it('carries every text as it is', async (t) => {
        const [speaker, listener] = [await enter(t), await enter(t)];
        const witness = await peer.open(t, `${server.wsUrl}/ws`);
        for (const socket of [speaker, listener]) await join(socket, 'random');
        await peer.ask(witness, { event: 'roomAdd', room: 'random' });
        const messages = [
          'plain', ' ', 0, -1.5e-7, false, [null], { a: [1, { b: null }] }, { _placeholder: true, num: 0 },
          'Grüße, κόσμε, 世界, שלום', '😀 👩‍👩‍👧‍👦 🏳️‍🌈', 'line\u2028paragraph\u2029end', '\u0000\u001e\u001f"\\/</script>',
          '2:40', '2probe', '42["say",{}]', '451-["say"]', 'primus::server::close', 'primus::ping::1',
          '😀'.repeat(25000),
          ...(kind.parser ? [] : [-1.5e300]), // msgpack's encoder takes it for an integer, and spoils it
        ];
        for (const message of messages) tell(speaker, 'random', message);
        for (const { inbox } of [speaker, listener, witness]) {
          for (const message of messages) assert.deepEqual((await inbox.said()).message, message);
        }
        assert.deepEqual([speaker.story, listener.story], [['connect'], ['connect']]);
      });

      it('may say bytes, and everybody hears them as base64', async (t) => {
        const [speaker, listener] = [await enter(t), await enter(t)];
        const witness = await peer.open(t, `${server.wsUrl}/ws`);
        for (const socket of [speaker, listener]) await join(socket, 'random');
        await peer.ask(witness, { event: 'roomAdd', room: 'random' });
        const bytes = Buffer.from([0, 1, 0x1e, 0x7f, 0x80, 0xfe, 0xff]);
        // Not every version takes anything else than this for bytes.
        const inside = kind.parser ? Buffer.from([1, 2, 3]) : new Uint8Array([1, 2, 3]).buffer;
        const large = Buffer.alloc(100000, 0xa5);
        for (const [message, heard] of [
          [bytes, bytes.toString('base64')],
          [inside, 'AQID'],
          [{ image: bytes, more: [inside, { deep: Buffer.alloc(0) }], text: 'Grüße' },
            { image: bytes.toString('base64'), more: ['AQID', { deep: '' }], text: 'Grüße' }],
          [Array.from({ length: 10 }, (_, n) => Buffer.from([n])),
            Array.from({ length: 10 }, (_, n) => Buffer.from([n]).toString('base64'))],
          [large, large.toString('base64')],
        ]) {
          assert.equal((await ask(speaker, 'say', { room: 'random', message })).status, 'OK');
          for (const { inbox } of [speaker, listener, witness]) assert.deepEqual((await inbox.said()).message, heard);
        }
        tell(speaker, 'random', inside);
        tell(speaker, 'random', 'behind the bytes');
        assert.equal((await listener.inbox.said()).message, 'AQID');
        assert.equal((await listener.inbox.said()).message, 'behind the bytes');
        const answer = await ask(speaker, 'message', { event: 'say', room: 'random', message: inside });
        assert.equal(answer.status, 'OK');
        assert.equal((await listener.inbox.said()).message, 'AQID');
      });

      it('may send a binary message: JSON is a packet, anything else ends the connection', async (t) => {
        const socket = await enter(t);
        const packet = Buffer.from(JSON.stringify({ event: 'detailsView', extra: 'Grüße 😀' }));
        assert.equal((await ask(socket, 'message', packet)).messageCount, 1);
        socket.emit('message', packet);
        assert.equal((await socket.inbox.response(2)).status, 'OK');
        const ended = raised(socket, 'disconnect');
        socket.emit('message', Buffer.from([0xff, 0xfe, 0x00, 0x80]));
        await ended;
      });

      it('leaves its rooms when it disconnects, and its last words are heard', async (t) => {
        const [witness, socket] = [await peer.open(t, `${server.wsUrl}/ws`), await enter(t)];
        await peer.ask(witness, { event: 'roomAdd', room: 'random' });
        await join(socket, 'random');
        const view = async () => (await peer.ask(witness, { event: 'roomView', room: 'random' })).data.members;
        const { data } = await ask(socket, 'detailsView');
        assert.ok((await view())[data.id]);
        for (let n = 0; n < 100; n++) tell(socket, 'random', n);
        socket.disconnect();
        await until(async () => !(await view())[data.id], 'the member to be gone');
        const said = witness.inbox.unread.filter((packet) => isSaid(packet) && packet.from === data.id);
        assert.deepEqual(said.map(({ message }) => message), Array.from({ length: 100 }, (_, n) => n));
        assert.deepEqual(socket.story, ['connect', 'disconnect: io client disconnect']);
      });

      it('is refused a namespace that nobody opened, and keeps the one it has', async (t) => {
        const socket = await enter(t);
        const other = socket.io.socket('/nowhere');
        t.after(() => other.disconnect());
        const refusal = raised(other, kind.protocol === 5 ? 'connect_error' : 'error');
        other.connect();
        const [error] = await refusal;
        assert.equal(error.message, 'Invalid namespace');
        assert.equal((await ask(socket, 'detailsView')).status, 'OK');
        assert.deepEqual(socket.story, ['connect']);
      });
    });
  }
});
