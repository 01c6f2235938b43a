'use strict';

// Which call an answer ends, whatever the server does with its numbers; and packets that the application makes itself.

const { test } = require('node:test');
const assert = require('node:assert/strict');
const { World } = require('./support/world');

// Each transport with what its server hears and says.
const WAYS = {
  ws: {
    sent: (world) => world.socket.sent.splice(0).map((text) => JSON.parse(text)),
    push: (world, packet) => world.socket.push(packet),
  },
  polling: {
    sent(world) {
      world.clock.advance(0);
      return world.polls('POST').flatMap((post) => {
        post.answer(200, 'OK', 'ok');
        return post.body.split('\x1e').map((text) => JSON.parse(text.slice(1)));
      });
    },
    push: (world, packet) => world.held.packets(`4${JSON.stringify(packet)}`),
  },
  socketio: {
    sent: (world) => world.socket.sent.splice(0).map((text) => JSON.parse(text.slice(2))[1]),
    push: (world, packet) => world.socket.frame(`42["response",${JSON.stringify(packet)}]`),
  },
};

const each = (name, play) => Object.keys(WAYS).forEach((way) => test(`${name} (${way})`, () => play(connected(way))));

// A connected client, and the server in the test's hand. `echo` decides about the server's first answer.
function connected(way, echo = true) {
  const world = new World({}, [way]);
  const client = world.client();
  client.connect(() => {});
  if (way === 'polling') world.held.packets('0{"sid":"S","upgrades":[],"pingInterval":1e6,"pingTimeout":1e6}');
  else world.socket.accept();
  if (way === 'socketio') {
    world.socket.frame('0{"sid":"S","upgrades":[],"pingInterval":1e6,"pingTimeout":1e6}');
    world.socket.frame('40{"sid":"T"}');
    world.socket.sent.shift();
  }
  const asked = () => WAYS[way].sent(world);
  const push = (fields) => WAYS[way].push(world, { context: 'response', status: 'OK', ...fields });
  const [details] = asked();
  push({ ...(echo && { messageId: details.messageId }), messageCount: 1, data: { id: 'me', rooms: [] } });
  assert.equal(client.state, 'connected');
  const got = {};
  const say = (name) => client.say('room', name, (error, packet) => {
    got[name] = [...(got[name] ?? []), error ? error.message : packet.answers];
  });
  const ask = (...names) => {
    names.forEach(say);
    return asked().map((packet) => ({ messageId: packet.messageId, answers: packet.message }));
  };
  return { world, client, asked, push, got, ask };
}

each('each packet has a short id of its own', ({ client, asked }) => {
  client.say('room', 1, () => {});
  client.roomAdd('room', () => {});
  client.roomView('room', () => {});
  client.file('x', () => {});
  client.emit('event', 1, () => {});
  client.action('act', () => {});
  client.send({ any: 1 }, () => {});
  assert.deepEqual(asked().map(({ messageId }) => messageId), ['~2', '~3', '~4', '~5', '~6', '~7', '~8']);
});

each('a server that does not count answers the right calls', ({ push, got, ask }) => {
  ask('a', 'b', 'c').forEach(push);
  assert.deepEqual(got, { a: ['a'], b: ['b'], c: ['c'] });
});

each('a server that counts wrongly answers the right calls, for the life of the connection', ({ push, got, ask }) => {
  const questions = ask('a', 'b', 'c');
  // As one that passed over the first of them.
  push({ messageCount: 2, ...questions[1] });
  push({ messageCount: 3, ...questions[2] });
  assert.deepEqual(got, { b: ['b'], c: ['c'] });
  // What it says of packets that it could not read is nobody's answer then.
  push({ messageCount: 2, answers: 'nothing' });
  assert.deepEqual(got, { b: ['b'], c: ['c'] });
  ask('d', 'e').forEach((answer, index) => push({ messageCount: 4 + index, ...answer }));
  assert.deepEqual(got, { b: ['b'], c: ['c'], d: ['d'], e: ['e'] });
});

each('answers in any order, twice, and to questions that nobody asked', ({ push, got, ask, client, world }) => {
  const answers = ask('a', 'b', 'c').map((answer, index) => ({ messageCount: index + 2, ...answer }));
  const [a, b, c] = answers;
  [c, a, c, a, c].forEach(push);
  for (const messageId of ['~77', '~', '~0', '~1', '~b', '~__proto__', '~constructor', '~toString', '~ 3', '~3.0', '~03', '~0x3']) {
    push({ messageId, messageCount: 99, answers: 'nothing' });
  }
  assert.deepEqual(got, { a: ['a'], c: ['c'] });
  push(b);
  push(b);
  assert.deepEqual(got, { a: ['a'], b: ['b'], c: ['c'] });
  assert.equal(client.state, 'connected');
  assert.deepEqual(world.uncaught, []);
});

test('a server that gives no ids back is believed its count', () => {
  for (const way of Object.keys(WAYS)) {
    const { push, got, ask } = connected(way, false);
    const [a, b, c] = ask('a', 'b', 'c').map(({ answers }, index) => ({ messageCount: index + 2, answers }));
    [b, c, a, b].forEach(push);
    assert.deepEqual(got, { a: ['a'], b: ['b'], c: ['c'] }, way);
  }
});

each('one answer without the id, by a server that counts, is believed too', ({ push, got, ask }) => {
  const [a] = ask('a', 'b');
  push({ messageCount: 3, answers: 'unread', error: 'unread' });
  push({ messageCount: 2, ...a });
  assert.deepEqual(got, { a: ['a'], b: ['unread'] });
});

each('a messageId of the application\'s own in an answer is left alone', ({ client, push, asked, got, ask }) => {
  for (const messageId of [3, '3', 'uuid', -1, null, { a: 1 }, ['~3']]) {
    const answers = [];
    client.action('post', (response) => answers.push(response.messageId));
    const [packet] = asked();
    ask('other');
    push({ messageId, messageCount: Number(packet.messageId.slice(1)) });
    assert.deepEqual(answers, [messageId]);
  }
  assert.deepEqual(got, {});
});

each('our ids are not seen by the application', ({ client, push, ask, world }) => {
  const seen = [];
  client.on('message', (packet) => seen.push({ ...packet }));
  push({ messageCount: 2, ...ask('a')[0] });
  assert.deepEqual(seen, [{ context: 'response', status: 'OK', messageCount: 2, answers: 'a' }]);
  assert.deepEqual(world.uncaught, []);
});

each('the count begins anew with each connection', ({ push, got, ask, client, world }) => {
  push({ messageCount: 1000, ...ask('a')[0] });
  client.disconnect();
  client.connect(() => {});
  assert.deepEqual(got, { a: ['a'] });
  assert.equal(world.uncaught.length, 0);
  assert.equal(client.messageCount <= 2, true);
});

each('send gives the answer as it comes', ({ client, push, asked }) => {
  const got = [];
  const packet = { event: 'say', room: 'room', message: 1 };
  assert.equal(client.send(packet, (response, error) => got.push([response, error])), undefined);
  const [sent] = asked();
  assert.deepEqual(sent, { messageId: '~2', ...packet });
  push({ messageId: '~2', messageCount: 2, status: 'refused', error: { code: '016', message: 'refused' }, data: { status: 'x' } });
  assert.deepEqual(got, [[
    { context: 'response', messageCount: 2, status: 'refused', error: { code: '016', message: 'refused' }, data: { status: 'x' } }, null,
  ]]);
  assert.deepEqual(packet, { event: 'say', room: 'room', message: 1 }, 'the packet is left as it was');
});

each('send takes a messageId of the caller, also one twice or in our form', ({ client, push, asked }) => {
  const got = [];
  const ids = ['mine', 'mine', 7, '~3', '', null, 0];
  ids.forEach((messageId, index) => client.send({ event: 'x', messageId }, (response) => got.push([index, response.messageId])));
  const sent = asked();
  assert.equal(new Set(sent.map(({ messageId }) => messageId)).size, ids.length);
  sent.reverse().forEach(({ messageId }) => push({ messageId, messageCount: 5 }));
  assert.deepEqual(got, ids.map((id, index) => [index, id]).reverse());
});

each('send of what is no packet is answered nevertheless', ({ client, push, asked, world }) => {
  const got = [];
  for (const packet of [undefined, null, {}, 5, [1]]) client.send(packet, (response) => got.push(response.answers));
  client.send(Object.create({ inherited: 1 }), (response) => got.push(response.answers));
  const loop = {};
  loop.loop = loop;
  client.send(loop, (response, error) => got.push([response, error instanceof TypeError]));
  world.clock.advance(0);
  assert.deepEqual(got, [[undefined, true]]);
  assert.equal(asked().length, 6);
  for (let n = 2; n <= 7; n++) push({ messageCount: n, answers: n });
  assert.deepEqual(got.slice(1), [2, 3, 4, 5, 6, 7]);
});

test('send waits for the connection, fails without one, and its promise is rejected only without an answer', async () => {
  const world = new World();
  const client = world.client();
  await assert.rejects(Promise.race([client.send({ event: 'x' }), world.clock.advance(0)]), { message: 'not connected' });
  client.connect(() => {});
  const early = client.send({ event: 'early', messageId: 'mine' });
  world.socket.accept();
  world.socket.details(1);
  assert.deepEqual(world.socket.packets, [{ event: 'detailsView' }, { event: 'early' }]);
  world.socket.push({ context: 'response', messageId: '~2', messageCount: 2, status: 'refused', error: 'refused' });
  assert.deepEqual(await early, { context: 'response', messageId: 'mine', messageCount: 2, status: 'refused', error: 'refused' });
  const lost = client.send({ event: 'x' });
  let args;
  client.send({ event: 'x' }, (...given) => { args = given; });
  world.socket.drop();
  await assert.rejects(lost, { message: 'connection lost (1006)' });
  assert.deepEqual([args[0], args[1].message], [undefined, 'connection lost (1006)']);
});
