'use strict';

// The upgrade of npm `socket.io-client` while both sides talk without a pause: nothing is lost, doubled or out of
// order. The network between them is slow, so that the steps of the upgrade lie apart.

const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');
const { setTimeout: delay } = require('node:timers/promises');
const { Server } = require('./support/server');
const { CLIENTS, KINDS, start, moved, ask, join } = require('./support/socketio');
const { wire } = require('./support/faults');
const peer = require('./support/peer');
const { raised, until } = require('./support/wait');

const TALK = 200; // ms that both go on talking after the upgrade

const isSaid = (packet) => packet.context === 'user';
const numbers = (count, first = 0) => Array.from({ length: count }, (_, n) => first + n);

describe('the upgrade of a socket.io client under load', () => {
  const server = new Server();
  before(() => server.start());
  after(() => server.kill());

  // Talks in both directions until it is told to stop. Gives how much was said.
  function talk(socket, speaker, room) {
    const count = { sent: 0, said: 0, acked: [] };
    let isOver = false;
    const done = (async () => {
      while (!isOver) {
        const n = count.sent++;
        socket.emit('say', { room, message: { from: 'client', n } }, () => count.acked.push(n));
        peer.tell(speaker, { event: 'say', room, message: { from: 'other', n: count.said++, text: 'Grüße 😀\u2028' } });
        await delay(1);
      }
    })();
    return async () => {
      isOver = true;
      await done;
      return count;
    };
  }

  for (const client of Object.keys(CLIENTS)) {
    for (const latency of [0, 20]) {
      it(`of ${client}, ${latency} ms away, keeps every message`, async (t) => {
        const kind = KINDS.find((one) => one.client === client && one.way === 'polling, then WebSocket');
        const network = await wire(t, server, { latency });
        const speaker = await peer.open(t, `${server.wsUrl}/ws`);
        await peer.ask(speaker, { event: 'roomAdd', room: 'lobby' });
        const upgraded = () => server.metric('stellar_upgrades_total', '{result="upgraded"}');
        const before = await upgraded();
        const socket = start(t, network.url, kind);
        await raised(socket, 'connect');
        const joined = join(socket, 'lobby');
        const stop = talk(socket, speaker, 'lobby');
        await joined;
        await moved(socket, kind);
        const began = Date.now();
        await until(() => Date.now() - began > TALK, 'some talk over WebSocket');
        const { sent, said, acked } = await stop();
        assert.equal(await upgraded(), before + 1, 'the server saw it too');
        // Answered behind everything that was sent before.
        const last = await ask(socket, 'detailsView');
        assert.equal(last.messageCount, sent + 2);
        await peer.ask(speaker, { event: 'say', room: 'lobby', message: 'the end' });
        await socket.inbox.take(({ message }) => message === 'the end', 'the end');

        assert.deepEqual(acked, numbers(sent), 'every ack once, in order');
        const heard = socket.inbox.unread.filter(isSaid);
        assert.deepEqual(heard.map(({ seq }) => seq), numbers(heard.length, heard[0].seq), 'no gap in the room');
        const own = heard.filter(({ message }) => message.from === 'client').map(({ message }) => message.n);
        assert.deepEqual(own, numbers(sent), 'what it said itself');
        const others = heard.filter(({ message }) => message.from === 'other').map(({ message }) => message.n);
        assert.deepEqual(others, numbers(others.length, said - others.length), 'what the other said');
        assert.ok(others.length > 10 && sent > 10, `${others.length} heard, ${sent} sent`);
        const speakerHeard = await speaker.inbox.takeMany(sent, ({ message }) => message && message.from === 'client');
        assert.deepEqual(speakerHeard.map(({ message }) => message.n), own, 'what the other heard');
        assert.deepEqual(socket.story, ['connect']);
      });
    }
  }
});
