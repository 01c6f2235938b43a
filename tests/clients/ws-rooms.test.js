'use strict';

// npm `ws`: what a hand-written client or `wscat` does, line by line, and the order of what is said in rooms.

const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');
const { Server } = require('./support/server');
const { open, tell, ask } = require('./support/peer');
const { until } = require('./support/wait');

describe('hand-written clients', () => {
  const server = new Server('[general]\nstarting_rooms = ["defaultRoom", "otherRoom"]\n');
  before(() => server.start());
  after(() => server.kill());

  it('have a session as with wscat', async (t) => {
    const a = await open(t, `${server.wsUrl}/ws`);
    const b = await open(t, `${server.wsUrl}/ws`);
    const types = async (socket, line, expected) => {
      socket.send(line);
      assert.deepEqual(await socket.inbox.next(), expected, line);
    };
    const answer = (messageCount, fields) => ({ ...fields, context: 'response', messageCount });
    const ok = (messageCount, fields) => answer(messageCount, { status: 'OK', ...fields });
    const fails = (messageCount, code, message, fields) => (
      answer(messageCount, { status: message, error: { code, message }, ...fields })
    );
    for (const socket of [a, b]) {
      assert.deepEqual(await socket.inbox.next(), { welcome: 'Hello human! Welcome to Stellar', context: 'api' });
    }

    a.send('{"event":"detailsView"}');
    const { id } = (await a.inbox.response(1)).data;
    const notIn = `Connection (${id}) not in room (defaultRoom)`;
    await types(a, '{"event":"say","room":"defaultRoom","message":"too early"}', fails(2, '016', notIn));
    await types(a, ' { "event" : "roomAdd", "room" : "defaultRoom" } ', ok(3, { data: true }));
    await types(b, '{"event":"roomJoin","room":"defaultRoom"}', ok(1, { data: true }));

    a.send('{"message":"hi","room":"defaultRoom","event":"say"}');
    assert.deepEqual(await a.inbox.response(4), ok(4));
    const [mine, theirs] = [await a.inbox.said(), await b.inbox.said()];
    assert.deepEqual(mine, theirs);
    assert.deepEqual([mine.message, mine.room, mine.from], ['hi', 'defaultRoom', id]);
    b.send('{"event":"say","room":"defaultRoom","a":"two","b":"words"}');
    assert.equal((await a.inbox.said()).message, 'two words', 'as old clients say it');

    a.send('{"event":"roomView","room":"defaultRoom"}');
    assert.equal((await a.inbox.response(5)).data.membersCount, 2);
    await types(a, '{"event":"roomView","room":"otherRoom"}', fails(6, '016', 'not member of room otherRoom'));
    const error = { code: '004', message: 'Unknown action (nope) or invalid apiVersion' };
    await types(a, '{"event":"action","params":{"action":"nope"}}', answer(7, { error }));
    const refusal = 'Verb not found or not allowed (paramAdd)';
    await types(a, '{"event":"paramAdd","key":"x"}', fails(8, '014', refusal, { data: null }));

    a.send('hello?');
    const alert = await a.inbox.next();
    assert.equal(alert.context, 'alert', 'a slip of the fingers closes nothing');
    assert.ok(alert.error && !('messageCount' in alert));
    await types(a, '{"event":"action","params":{"action":"isolated.action"},"messageId":"x"}', {
      success: 'ok', context: 'response', messageCount: 9, messageId: 'x',
    });

    b.send('{"event":"exit"}');
    assert.equal((await b.closed).code, 1000);
    let asked = 9;
    await until(async () => {
      a.send('{"event":"roomView","room":"defaultRoom"}');
      return (await a.inbox.response(++asked)).data.membersCount === 1;
    }, 'the member to be gone');
  });

  it('of both doors hear each other in one order, each speaker in its own', async (t) => {
    const COUNT = 500;
    const speakers = await Promise.all(['/ws', '/primus'].map((door) => open(t, server.wsUrl + door)));
    const listener = await open(t, `${server.wsUrl}/ws`);
    for (const socket of [...speakers, listener]) await ask(socket, { event: 'roomAdd', room: 'otherRoom' });
    for (let n = 0; n < COUNT; n++) {
      for (const [who, socket] of speakers.entries()) {
        tell(socket, { event: 'say', room: 'otherRoom', message: { who, n } });
      }
      // Now and then the server gets a chance to mix them.
      if (n % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const heard = [];
    for (const socket of [...speakers, listener]) {
      heard.push(await socket.inbox.takeMany(2 * COUNT, (packet) => packet.context === 'user'));
    }
    for (const packets of heard) {
      assert.deepEqual(packets, heard[0], 'all hear the same in the same order');
      const numbers = packets.map(({ seq }) => seq - packets[0].seq);
      assert.deepEqual(numbers, packets.map((_, index) => index), 'without a gap');
      for (const who of [0, 1]) {
        const own = packets.filter(({ message }) => message.who === who);
        assert.deepEqual(own.map(({ message }) => message.n), own.map((_, index) => index));
        assert.equal(own.length, COUNT);
      }
    }
    assert.equal(new Set(heard[0].map(({ epoch }) => epoch)).size, 1);
    // The answer to a question behind all of it: nothing comes twice.
    for (const socket of [...speakers, listener]) {
      await ask(socket, { event: 'detailsView' });
      assert.deepEqual(socket.inbox.unread.filter((packet) => packet.context === 'user'), []);
    }
  });

  it('hear nothing of rooms that they have left or never joined', async (t) => {
    const [a, b] = await Promise.all([open(t, `${server.wsUrl}/ws`), open(t, `${server.wsUrl}/ws`)]);
    await ask(a, { event: 'roomAdd', room: 'defaultRoom' });
    await ask(a, { event: 'roomAdd', room: 'otherRoom' });
    await ask(b, { event: 'roomAdd', room: 'otherRoom' });
    await ask(a, { event: 'say', room: 'defaultRoom', message: 'not for b' });
    await ask(b, { event: 'roomLeave', room: 'otherRoom' });
    await ask(a, { event: 'say', room: 'otherRoom', message: 'no longer for b' });
    await ask(b, { event: 'roomAdd', room: 'otherRoom' });
    await ask(a, { event: 'say', room: 'otherRoom', message: 'for b' });
    assert.equal((await b.inbox.said()).message, 'for b', 'the first that it hears');
    assert.deepEqual(
      (await a.inbox.takeMany(3, (packet) => packet.context === 'user')).map(({ message }) => message),
      ['not for b', 'no longer for b', 'for b'],
    );
  });
});
