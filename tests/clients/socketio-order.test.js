'use strict';

// npm `socket.io-client`, every version, over every transport: what is sent in an order arrives in that order, whole,
// also when it is much at once.

const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');
const { Server } = require('./support/server');
const { KINDS, open, ask, join } = require('./support/socketio');
const peer = require('./support/peer');
const { limited, until } = require('./support/wait');

const COUNT = 20000;
// Older clients put all that waits in one POST, and the server takes a megabyte in one. 8 MiB may wait for a client.
const SLICE = 10000;
const BURST = 10000;

const numbers = (count, first = 0) => Array.from({ length: count }, (_, n) => first + n);

// What a client hears from now on.
function hear(socket) {
  const heard = [];
  socket.on('say', (packet) => heard.push(packet));
  return heard;
}

// What was heard is all of this, once, in order.
function assertNumbered(heard, count) {
  assert.deepEqual(heard.map(({ message }) => message), numbers(count));
  assert.deepEqual(heard.map(({ seq }) => seq), numbers(count, heard[0].seq), 'no gap in the room');
}

// Says the numbers of a slice, each with an ack; resolves with the answers in the order in which they came.
function sayAll(socket, room, first) {
  const answers = [];
  return limited(new Promise((resolve) => {
    for (let n = first; n < first + SLICE; n++) {
      socket.emit('say', { room, message: n }, (answer) => {
        answers.push({ n, answer });
        if (answers.length === SLICE) resolve(answers);
      });
    }
  }), `${SLICE} acks`);
}

describe('a socket.io client that is told much', () => {
  const server = new Server();
  before(() => server.start());
  after(() => server.kill());

  for (const kind of KINDS) {
    it(`is answered and heard in order over 20,000 events: ${kind.name}`, async (t) => {
      const [speaker, listener] = [await open(t, server.url, kind), await open(t, server.url, kind)];
      for (const socket of [speaker, listener]) await join(socket, 'lobby');
      const heard = [speaker, listener].map(hear);
      for (let first = 0; first < COUNT; first += SLICE) {
        const answers = await sayAll(speaker, 'lobby', first);
        assert.deepEqual(answers.map(({ n }) => n), numbers(SLICE, first));
        // Each ack is called with the answer to its own event: the join was packet 1.
        assert.deepEqual(answers.map(({ answer }) => answer.messageCount), numbers(SLICE, first + 2));
        assert.ok(answers.every(({ answer }) => answer.status === 'OK'));
      }
      for (const [index, socket] of [speaker, listener].entries()) {
        await until(() => heard[index].length >= COUNT, 'all that was said');
        // Answered behind all that was said: whatever comes twice has come by now.
        await ask(socket, 'detailsView');
        assertNumbered(heard[index], COUNT);
        assert.deepEqual(socket.story, ['connect']);
      }
    });

    it(`hears 10,000 messages that another says as fast as it can: ${kind.name}`, async (t) => {
      const [speaker, socket] = [await peer.open(t, `${server.wsUrl}/ws`), await open(t, server.url, kind)];
      await peer.ask(speaker, { event: 'roomAdd', room: 'random' });
      await join(socket, 'random');
      const heard = hear(socket);
      const slow = () => server.metric('stellar_connections_closed_total', '{reason="slow_consumer"}');
      for (let n = 0; n < BURST; n++) peer.tell(speaker, { event: 'say', room: 'random', message: n });
      await until(() => heard.length >= BURST, 'all that was said');
      await ask(socket, 'detailsView');
      assertNumbered(heard, BURST);
      assert.deepEqual([socket.story, await slow()], [['connect'], 0]);
    });
  }
});
