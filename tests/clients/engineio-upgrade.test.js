'use strict';

// The upgrade of npm `engine.io-client` while both sides talk without a pause: nothing is lost, doubled or out of order.
// The network between them is slow, so that the steps of the upgrade lie apart.

const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');
const { setTimeout: delay } = require('node:timers/promises');
const { Server } = require('./support/server');
const { CLIENTS, DOORS, start, tell, ask, join } = require('./support/engineio');
const { wire } = require('./support/faults');
const peer = require('./support/peer');
const { raised, until } = require('./support/wait');

const WAY = 'polling, then WebSocket';
const TALK = 200; // ms that both go on talking after the upgrade

describe('an upgrade under load', () => {
  const server = new Server();
  before(() => server.start());
  after(() => server.kill());

  // Talks in both directions until it is told to stop. Gives how much was said.
  function talk(socket, speaker, room) {
    const count = { sent: 0, said: 0 };
    let isOver = false;
    const done = (async () => {
      while (!isOver) {
        tell(socket, { event: 'say', room, message: { from: 'client', n: count.sent++ } });
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
    for (const door of DOORS) {
      for (const latency of [0, 20]) {
        it(`of ${client} on ${door}, ${latency} ms away, keeps every message`, async (t) => {
          const network = await wire(t, server, { latency });
          const speaker = await peer.open(t, `${server.wsUrl}/ws`);
          await peer.ask(speaker, { event: 'roomAdd', room: 'lobby' });
          const upgraded = () => server.metric('stellar_upgrades_total', '{result="upgraded"}');
          const before = await upgraded();
          const socket = start(t, network.url, { client, door, way: WAY });
          const moved = raised(socket, 'upgrade');
          await raised(socket, 'open');
          const joined = join(socket, 'lobby');
          const stop = talk(socket, speaker, 'lobby');
          await joined;
          await moved;
          const began = Date.now();
          await until(() => Date.now() - began > TALK, 'some talk over WebSocket');
          const { sent, said } = await stop();
          assert.equal(socket.transport.name, 'websocket');
          assert.equal(await upgraded(), before + 1, 'the server saw it too');
          // Answered behind everything that was sent before.
          const last = await ask(socket, { event: 'detailsView' });
          assert.equal(last.messageCount, sent + 2);
          await peer.ask(speaker, { event: 'detailsView' });
          await peer.ask(speaker, { event: 'say', room: 'lobby', message: 'the end' });
          await socket.inbox.take(({ message }) => message === 'the end', 'the end');

          const numbers = socket.inbox.unread.filter(({ context }) => context === 'response').map((p) => p.messageCount);
          assert.deepEqual(numbers, Array.from({ length: sent }, (_, n) => n + 2), 'every answer once, in order');
          const heard = socket.inbox.unread.filter(({ context }) => context === 'user');
          heard.forEach(({ seq }, index) => assert.equal(seq, heard[0].seq + index, 'no gap in the room'));
          const own = heard.filter(({ message }) => message.from === 'client').map(({ message }) => message.n);
          assert.deepEqual(own, Array.from({ length: sent }, (_, n) => n), 'what it said itself');
          const others = heard.filter(({ message }) => message.from === 'other').map(({ message }) => message.n);
          assert.deepEqual(others, Array.from({ length: others.length }, (_, n) => said - others.length + n));
          assert.ok(others.length > 10 && sent > 10, `${others.length} heard, ${sent} sent`);
          const speakerHeard = await speaker.inbox.takeMany(sent, ({ message }) => message && message.from === 'client');
          assert.deepEqual(speakerHeard.map(({ message }) => message.n), own, 'what the other heard');
        });
      }
    }
  }
});
