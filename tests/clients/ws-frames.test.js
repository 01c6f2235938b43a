'use strict';

// npm `ws` on both doors: frames of every kind, and how connections close.

const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');
const WebSocket = require('ws');
const { QUIET, Server, serve } = require('./support/server');
const { between } = require('./support/proxy');
const { open, tell, ask } = require('./support/peer');
const { limited, raised, until } = require('./support/wait');

const DETAILS = JSON.stringify({ event: 'detailsView' });

describe('a WebSocket client', () => {
  const server = new Server(QUIET);
  before(() => server.start());
  after(() => server.kill());

  for (const door of ['/ws', '/primus', '/primus/']) {
    describe(`on ${door}`, () => {
      const enter = (t, options) => open(t, server.wsUrl + door, options);

      it('is greeted, and its text frames are packets', async (t) => {
        const socket = await enter(t);
        assert.deepEqual(await socket.inbox.next(), { welcome: 'Hello human! Welcome to Stellar', context: 'api' });
        socket.send(DETAILS);
        const details = await socket.inbox.next();
        assert.deepEqual([details.status, details.messageCount], ['OK', 1]);
        assert.equal(socket.protocol, '');
      });

      it('may send its packets in binary frames', async (t) => {
        const socket = await enter(t);
        socket.send(Buffer.from(DETAILS), { binary: true });
        assert.equal((await socket.inbox.response(1)).status, 'OK');
      });

      it('is closed with 1003 for binary data that is no text', async (t) => {
        const socket = await enter(t);
        socket.send(Buffer.from([0xff, 0xfe, 0x00]), { binary: true });
        assert.deepEqual(await socket.closed, { code: 1003, reason: 'binary data is not understood here' });
      });

      it('may send messages in fragments, cut inside of a character and with pings between', async (t) => {
        const socket = await enter(t);
        await ask(socket, { event: 'roomAdd', room: 'lobby' });
        const bytes = Buffer.from(JSON.stringify({ event: 'say', room: 'lobby', message: 'Grüße 😀' }));
        const middle = bytes.indexOf(Buffer.from('😀')) + 2;
        const pong = raised(socket, 'pong');
        socket.send(bytes.subarray(0, 10), { binary: false, fin: false });
        socket.send(bytes.subarray(10, middle), { binary: false, fin: false });
        socket.ping('between');
        assert.equal(String((await pong)[0]), 'between', 'answered before the message is complete');
        socket.send(bytes.subarray(middle), { binary: false, fin: true });
        socket.sent++;
        assert.equal((await socket.inbox.said()).message, 'Grüße 😀');
        assert.equal((await socket.inbox.response(2)).status, 'OK');
      });

      it('may send a message in empty fragments and single bytes', async (t) => {
        const socket = await enter(t);
        socket.send('', { fin: false });
        for (const char of DETAILS) socket.send(char, { fin: false });
        socket.send('', { fin: true });
        assert.equal((await socket.inbox.response(1)).status, 'OK');
      });

      it('gets a pong with the data of its ping, and may send pongs unasked', async (t) => {
        const socket = await enter(t);
        for (const data of ['', 'x', Buffer.alloc(125, 7)]) {
          const pong = raised(socket, 'pong');
          socket.pong('unasked');
          socket.ping(data);
          assert.deepEqual((await pong)[0], Buffer.from(data));
        }
        assert.equal((await ask(socket, { event: 'detailsView' })).messageCount, 1, 'control frames are not counted');
      });

      for (const [code, reason, back] of [
        [1000, 'bye', 1000], [1001, '', 1001], [3000, 'x'.repeat(123), 3000], [4321, 'Grüße', 4321],
        [undefined, '', 1005],
      ]) {
        it(`is answered its close ${code ?? 'without a code'}`, async (t) => {
          const socket = await enter(t);
          await ask(socket, { event: 'detailsView' });
          socket.close(code, reason);
          assert.equal((await socket.closed).code, back);
        });
      }

      it('is gone for others at once when it breaks off', async (t) => {
        const socket = await enter(t);
        const other = await enter(t);
        await ask(socket, { event: 'roomAdd', room: 'lobby' });
        await ask(other, { event: 'roomAdd', room: 'lobby' });
        const { data: before } = await ask(other, { event: 'roomView', room: 'lobby' });
        socket.terminate();
        await until(async () => {
          const { data } = await ask(other, { event: 'roomView', room: 'lobby' });
          return data.membersCount === before.membersCount - 1;
        }, 'the member to be gone');
      });

      it('is not compressed, though it offers to be', async (t) => {
        const proxy = await between(t, server);
        const socket = await open(t, proxy.url.replace('http', 'ws') + door, { perMessageDeflate: { threshold: 0 } });
        assert.match(proxy.upgrades[0].headers['sec-websocket-extensions'], /permessage-deflate/, 'offered');
        assert.equal(socket.extensions, '', 'not taken');
        await ask(socket, { event: 'roomAdd', room: 'lobby' });
        tell(socket, { event: 'say', room: 'lobby', message: 'a'.repeat(10000) });
        assert.equal((await socket.inbox.said()).message.length, 10000);
      });

      it('gets 10,000 answers in order', async (t) => {
        const socket = await enter(t);
        for (let i = 0; i < 10000; i++) tell(socket, { event: 'detailsView' });
        await socket.inbox.response(10000);
        const numbers = socket.raw.slice(1).map((text) => JSON.parse(text).messageCount);
        assert.deepEqual(numbers, Array.from({ length: 10000 }, (_, i) => i + 1));
      });

      it('of another origin is refused with a text that says why', async (t) => {
        const socket = new WebSocket(server.wsUrl + door, { origin: 'http://evil.example' });
        socket.on('error', () => {});
        t.after(() => socket.terminate());
        const [, answer] = await raised(socket, 'unexpected-response');
        assert.equal(answer.statusCode, 403);
        const text = Buffer.concat(await limited(answer.toArray(), 'the text')).toString();
        assert.match(text, /origin/);
      });
    });
  }

  it('on /ws is closed with 1000 after quit', async (t) => {
    const socket = await open(t, `${server.wsUrl}/ws`);
    await ask(socket, { event: 'detailsView' });
    tell(socket, { event: 'quit' });
    assert.deepEqual(await socket.closed, { code: 1000, reason: 'ended by the server' });
    assert.equal(socket.raw.length, 2, 'no answer, and no words of Primus');
  });

  it('on /primus is told not to come back after quit', async (t) => {
    const socket = await open(t, `${server.wsUrl}/primus`);
    await ask(socket, { event: 'detailsView' });
    tell(socket, { event: 'quit' });
    assert.deepEqual(await socket.closed, { code: 1005, reason: '' });
    assert.deepEqual(socket.raw.slice(2), ['"primus::server::close"']);
  });

  it('on /ws may say what would mean something to Primus', async (t) => {
    const socket = await open(t, `${server.wsUrl}/ws`);
    socket.send('"primus::id::"');
    assert.equal((await socket.inbox.response(1)).error.code, '014', 'a text like any other, and counted');
  });

  it('on /primus may measure the way old clients do', async (t) => {
    const socket = await open(t, `${server.wsUrl}/primus`);
    await socket.inbox.next();
    socket.send('"primus::ping::123"');
    assert.equal(await socket.inbox.next(), 'primus::pong::123');
    socket.send('"primus::unknown::123"');
    assert.equal((await ask(socket, { event: 'detailsView' })).messageCount, 1);
  });
});

it('WebSocket clients are told with 1001 that the server stops', async (t) => {
  const server = await serve(t);
  const sockets = await Promise.all(['/ws', '/primus'].map((door) => open(t, server.wsUrl + door)));
  for (const socket of sockets) await ask(socket, { event: 'detailsView' });
  assert.equal(await server.stop(), 0);
  for (const socket of sockets) {
    assert.deepEqual(await socket.closed, { code: 1001, reason: 'server is going away' });
    assert.equal(socket.raw.length, 2, 'nothing was said before the close');
  }
});

it('WebSocket clients stay by answering pings, and are closed with 4003 if they do not', async (t) => {
  const server = await serve(t, '[limits]\nping_interval_ms = 1500\n');
  const enter = (autoPong) => open(t, `${server.wsUrl}/ws`, { autoPong });
  const [lively, silent] = await Promise.all([enter(true), enter(false)]);
  let pings = 0;
  lively.on('ping', () => { pings++; });
  assert.deepEqual(await silent.closed, { code: 4003, reason: 'no sign of life' });
  await until(() => pings >= 4, 'four pings');
  assert.equal((await ask(lively, { event: 'detailsView' })).messageCount, 1);
  assert.equal(lively.raw.length, 2, 'pings are frames, not texts');
});
