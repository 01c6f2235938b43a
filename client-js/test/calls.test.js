'use strict';

// Verbs, pushes, listeners and room events, played by hand.

const { test } = require('node:test');
const assert = require('node:assert/strict');
const { World } = require('./support/world');

const DENIED = { status: 'denied', error: { code: '016', message: 'denied' } };

test('every verb has its packet and its order of callback arguments', () => {
  const world = new World();
  const client = world.connected();
  const seen = {};
  client.say('r', { any: [1] }, (...args) => { seen.say = args; });
  client.roomAdd('r', (...args) => { seen.roomAdd = args; });
  client.roomLeave('r', (...args) => { seen.roomLeave = args; });
  client.roomView('r', (...args) => { seen.roomView = args; });
  client.detailsView((...args) => { seen.detailsView = args; });
  client.file('a.txt', (...args) => { seen.file = args; });
  client.action('act', { k: 1 }, (...args) => { seen.action = args; });
  client.emit('ev', 5, (...args) => { seen.emit = args; });
  assert.deepEqual(world.socket.packets.slice(1), [
    { event: 'say', room: 'r', message: { any: [1] } },
    { event: 'roomAdd', room: 'r' },
    { event: 'roomLeave', room: 'r' },
    { event: 'roomView', room: 'r' },
    { event: 'detailsView' },
    { event: 'file', file: 'a.txt' },
    { event: 'action', params: { k: 1, action: 'act' } },
    { event: 'event', params: { room: 'defaultRoom', event: 'ev', data: 5 } },
  ]);

  // Answers come in another order than the questions.
  world.socket.push({ context: 'response', messageCount: 7, error: null, content: 'text', length: 4, mime: 'text/plain' });
  world.socket.respond(2);
  world.socket.respond(9);
  world.socket.push({ context: 'response', messageCount: 8, error: 'broken', k: 1 });
  world.socket.respond(5, { data: { room: 'r', membersCount: 2, members: {} } });
  world.socket.respond(3, { data: true });
  world.socket.details(10, { rooms: ['r'] });
  world.socket.respond(4, { data: true });
  world.socket.details(11, { rooms: [] });
  world.socket.details(6, { id: 'me' });

  assert.equal(seen.say[0], null);
  assert.equal(seen.say[1].messageCount, 2);
  assert.equal(seen.roomAdd[0], null);
  assert.equal(seen.roomAdd[1].messageCount, 3);
  assert.equal(seen.roomLeave[0], null);
  assert.equal(seen.roomLeave[1].messageCount, 4);
  assert.equal(seen.roomView[1], null);
  assert.deepEqual([seen.roomView[0].membersCount, seen.roomView[0].data.membersCount], [2, 2]);
  assert.equal(seen.detailsView[0], null);
  assert.deepEqual([seen.detailsView[1].id, seen.detailsView[1].data.id], ['me', 'me']);
  assert.equal(seen.file[1], null);
  assert.equal(seen.file[0].content, 'text');
  assert.deepEqual(seen.action, [{ context: 'response', messageCount: 8, error: 'broken', k: 1 }]);
  assert.equal(seen.emit[0], null);
  assert.equal(seen.emit[1][0].messageCount, 9);
});

test('a refused verb gives an Error with message, code and packet, in callbacks and promises', async () => {
  const world = new World();
  const client = world.connected();
  const check = (error) => {
    assert.ok(error instanceof Error);
    assert.deepEqual([error.message, error.code, error.packet.error.code], ['denied', '016', '016']);
    return true;
  };
  const ways = {
    say: (done) => client.say('r', 'x', done),
    roomAdd: (done) => client.roomAdd('r', done),
    roomLeave: (done) => client.roomLeave('r', done),
    detailsView: (done) => client.detailsView(done),
    emit: (done) => client.emit('e', null, done),
    roomView: (done) => client.roomView('r', done),
    file: (done) => client.file('r', done),
  };
  for (const [name, way] of Object.entries(ways)) {
    let args;
    way((...given) => { args = given; });
    world.socket.respond(client.messageCount, DENIED);
    const responseFirst = name === 'roomView' || name === 'file';
    check(args[responseFirst ? 1 : 0]);
    assert.equal([].concat(args[responseFirst ? 0 : 1])[0].messageCount, client.messageCount, name);

    const promise = way();
    world.socket.respond(client.messageCount, DENIED);
    await assert.rejects(promise, check);
  }
});

test('failures of older servers are failures too', () => {
  const world = new World();
  const client = world.connected();
  const answers = [];
  const note = (error) => answers.push([error.message, error.code]);
  client.say('r', 'x', note);
  client.say('r', 'x', note);
  client.file('x', (response, error) => note(error));
  world.socket.respond(2, { status: 'room does not exist', data: false });
  world.socket.respond(3, { status: { code: '019', message: 'Room (r) does not exist' } });
  world.socket.push({ context: 'response', messageCount: 4, error: 'the requested file does not exist', content: null });
  assert.deepEqual(answers, [
    ['room does not exist', undefined],
    ['Room (r) does not exist', '019'],
    ['the requested file does not exist', undefined],
  ]);
});

test('a second answer to one question is ignored', () => {
  const world = new World();
  const client = world.connected();
  let answers = 0;
  client.say('r', 'x', () => answers++);
  world.socket.respond(2);
  world.socket.respond(2);
  world.socket.drop();
  assert.equal(answers, 1);
});

test('a room that could not be left is still held', () => {
  const world = new World();
  const client = world.connected({}, ['a']);
  client.roomLeave('a', () => {});
  world.socket.respond(2, DENIED);
  assert.deepEqual(client.rooms, ['a']);
});

test('a room that was joined just before a loss is joined again', () => {
  const world = new World();
  const client = world.connected();
  client.roomAdd('a', () => {});
  world.socket.respond(2, { data: true });
  world.socket.drop();
  world.clock.advance(250);
  world.socket.accept();
  assert.deepEqual(world.socket.packets, [{ event: 'roomAdd', room: 'a' }]);
});

test('promises give the answer, for joining and leaving the details', async () => {
  const world = new World();
  const client = world.connected();
  const joined = client.join('a');
  world.socket.respond(2, { data: true });
  world.socket.details(3, { rooms: ['a'] });
  assert.deepEqual((await joined).rooms, ['a']);
  assert.deepEqual(client.rooms, ['a']);
  const left = client.leave('a');
  assert.equal(world.socket.packets[3].event, 'roomLeave');
  world.socket.respond(4, { data: true });
  world.socket.details(5, { rooms: [] });
  assert.deepEqual((await left).rooms, []);
  assert.deepEqual(client.rooms, []);
  const said = client.say('hello');
  assert.deepEqual(world.socket.packets[5], { event: 'say', room: 'defaultRoom', message: 'hello' });
  world.socket.respond(6);
  assert.equal((await said).status, 'OK');
});

test('say without a room, with a callback', () => {
  const world = new World();
  const client = world.connected();
  client.setDefaultRoom('hall');
  client.say('hello', () => {});
  assert.deepEqual(world.socket.packets[1], { event: 'say', room: 'hall', message: 'hello' });
});

test('the first details are kept, later ones refresh id and rooms', () => {
  const world = new World();
  const client = world.connected({}, ['a']);
  const first = client.details;
  client.detailsView(() => {});
  world.socket.details(2, { id: 'new', fingerprint: 'f', rooms: ['b'] });
  assert.equal(client.details, first);
  assert.deepEqual([client.id, client.fingerprint, client.rooms], ['new', 'f', ['b']]);
});

test('calls before the connection is ready wait in order, and see the rooms joined', () => {
  const world = new World();
  const client = world.client({ rooms: ['a'] });
  const message = { text: 'as it was' };
  client.connect(() => client.say('a', 'third', () => {}));
  client.say('a', message, () => {});
  message.text = 'changed';
  world.socket.accept();
  client.say('a', 'second', () => {});
  assert.equal(world.socket.packets.length, 1);
  world.socket.respond(1, { data: true });
  world.socket.details(2, { rooms: ['a'] });
  assert.deepEqual(world.socket.packets.slice(2).map((packet) => packet.message), [{ text: 'as it was' }, 'second', 'third']);
});

test('at most 1000 calls wait', () => {
  const world = new World();
  const client = world.client();
  const errors = [];
  client.connect(() => {});
  for (let call = 0; call < 1002; call++) client.detailsView((error) => errors.push(error.message));
  assert.deepEqual(errors, []);
  world.clock.advance(0);
  assert.deepEqual(errors, Array(2).fill('too many calls wait for the connection'));
  world.socket.drop();
  assert.equal(errors.length, 1002);
  assert.equal(errors[1001], 'connection failed (1006)');
  world.clock.advance(250);
  world.socket.drop();
  assert.equal(errors.length, 1002);
});

test('calls without a connection fail, later than the call', () => {
  const world = new World();
  const client = world.client();
  const errors = [];
  const note = (error) => errors.push(error.message);
  client.say('r', 'x', note);
  assert.deepEqual(errors, []);
  world.clock.advance(0);
  client.connect(() => {});
  world.socket.accept();
  world.socket.details(1);
  world.socket.drop();
  client.say('r', 'x', note);
  world.clock.advance(250);
  client.say('r', 'x', note);
  world.clock.advance(0);
  assert.deepEqual(errors, ['not connected', 'not connected', 'not connected']);
});

test('calls made while a restored connection is prepared wait for it', () => {
  const world = new World();
  const client = world.connected({}, ['a']);
  client.on('reconnect', () => client.say('a', 'back', () => {}));
  world.socket.drop();
  world.clock.advance(250);
  world.socket.accept();
  world.socket.respond(1, { data: true });
  world.socket.details(2, { rooms: ['a'] });
  assert.deepEqual(world.socket.packets[2], { event: 'say', room: 'a', message: 'back' });
});

test('every pending call ends when the socket is lost', async () => {
  const world = new World();
  const client = world.connected();
  const errors = [];
  client.say('r', 'x', (error) => errors.push(error.message));
  client.roomView('r', (response, error) => errors.push(error.message));
  client.action('a', (response) => errors.push(response.error.message));
  const promise = client.roomAdd('r');
  world.socket.drop(1012, 'restart');
  assert.deepEqual(errors, Array(3).fill('connection lost (1012 restart)'));
  await assert.rejects(promise, { message: 'connection lost (1012 restart)' });
  world.clock.advance(100);
  assert.equal(errors.length, 3);
});

test('a call without an answer times out, an action a little later', () => {
  const world = new World();
  const client = world.connected({ pingTimeout: 0 });
  const errors = [];
  client.say('r', 'x', (error) => errors.push(error.message));
  client.action('a', (response) => errors.push(response.error.message));
  world.clock.advance(29999);
  assert.deepEqual(errors, []);
  world.clock.advance(1);
  assert.deepEqual(errors, ['no answer within 30000 ms']);
  world.clock.advance(5000);
  assert.deepEqual(errors, ['no answer within 30000 ms', 'no answer within 35000 ms']);
  world.socket.respond(2);
  assert.equal(errors.length, 2);
});

test('callTimeout: 0 waits for ever', () => {
  const world = new World();
  const client = world.connected({ pingTimeout: 0, callTimeout: 0 });
  const answers = [];
  client.say('r', 'x', (error) => answers.push(error));
  client.action('a', (response) => answers.push(response.error));
  world.clock.advance(1e9);
  assert.deepEqual(answers, []);
});

test('what JSON cannot hold fails the call and takes no number', () => {
  const world = new World();
  const client = world.connected({ simultaneousActions: 1 });
  const loop = {};
  const errors = [];
  loop.loop = loop;
  client.say('r', loop, (error) => errors.push(error));
  client.action('a', loop, (response) => errors.push(response.error));
  world.clock.advance(0);
  assert.equal(errors.length, 2);
  assert.ok(errors.every((error) => error instanceof TypeError));
  assert.equal(client.messageCount, 1);
  client.action('next', () => {});
  assert.equal(world.socket.packets[1].params.action, 'next');
});

test('pushes raise message and the event of their context', () => {
  const world = new World();
  const client = world.connected();
  const seen = [];
  ['message', 'alert', 'api', 'welcome', 'say'].forEach((event) => {
    client.on(event, (packet) => seen.push([event, packet && packet.n]));
  });
  world.socket.push({ context: 'api', welcome: 'hi', n: 1 });
  world.socket.push({ context: 'api', n: 2 });
  world.socket.push({ context: 'alert', n: 3 });
  world.socket.push({ context: 'user', message: 'x', room: 'r', n: 4 });
  world.socket.push({ context: 'weather', n: 5 });
  world.socket.push({ n: 6 });
  world.socket.push({ context: 'response', messageCount: 99, n: 7 });
  world.socket.push(null);
  world.socket.push([1]);
  world.socket.push('primus is a word');
  assert.deepEqual(seen, [
    ['message', 1], ['welcome', 1],
    ['message', 2], ['api', 2],
    ['message', 3], ['alert', 3],
    ['message', 4], ['say', 4],
    ['message', 5], ['api', 5],
    ['message', 6], ['api', 6],
    ['message', 7],
    ['message', null], ['api', null],
    ['message', undefined], ['api', undefined],
    ['message', undefined], ['api', undefined],
  ]);
  assert.equal(client.welcomeMessage, 'hi');
});

test('a chat message is passed through, with sequence number and epoch', () => {
  const world = new World();
  const client = world.connected();
  const packet = { context: 'user', message: 'x', room: 'r', from: 'a', sentAt: 1, seq: 7, epoch: 'e' };
  let seen;
  client.on('say', (given) => { seen = given; });
  world.socket.push(packet);
  assert.deepEqual(seen, packet);
});

test('an unreadable frame raises error and changes nothing', () => {
  const world = new World();
  const client = world.connected();
  world.socket.frame('{oops');
  assert.equal(world.events.length, 1);
  assert.match(world.events[0], /^error: .*JSON/);
  assert.equal(client.state, 'connected');
});

test('a listener that throws breaks neither its neighbours nor the protocol', () => {
  const world = new World();
  const client = world.connected();
  const seen = [];
  client.on('message', () => { throw new Error('listener'); });
  client.on('message', () => seen.push('second'));
  client.say('r', 'x', () => { throw new Error('callback'); });
  world.socket.respond(2);
  world.socket.frame('"primus::ping::1"');
  assert.deepEqual(seen, ['second']);
  assert.equal(world.socket.frames.pop(), '"primus::pong::1"');
  world.clock.advance(0);
  assert.deepEqual(world.uncaught, ['listener', 'callback']);
});

test('listeners come and go', () => {
  const world = new World();
  const client = world.connected();
  const seen = [];
  const a = () => seen.push('a');
  const b = () => seen.push('b');
  const push = (expected) => {
    seen.length = 0;
    world.socket.push({ context: 'alert' });
    assert.deepEqual(seen, expected);
  };
  assert.equal(client.on('alert', a).once('alert', b), client);
  push(['a', 'b']);
  push(['a']);
  client.once('alert', b).removeListener('alert', b).off('alert', () => {});
  push(['a']);
  client.off('alert', a);
  push([]);
  client.on('alert', a).once('alert', b).off('alert');
  push([]);
  client.on('alert', a).on('say', a).removeAllListeners('alert');
  push([]);
  client.on('alert', a).removeAllListeners();
  push([]);
  client.on('alert', () => client.on('alert', a)).once('alert', b);
  push(['b']);
});

test('room events: by name, and by room and name', () => {
  const world = new World();
  const client = world.connected();
  const seen = [];
  const listener = (data, packet) => seen.push(['from', data, packet.room]);
  client.on('say', () => seen.push('say'));
  client.on('moved', (data, packet) => seen.push(['on', data, packet.room]));
  client.from('a').from(['b', 'c']).on('moved', listener);
  const push = (room) => world.socket.push({ context: 'user', room, message: { event: 'moved', data: room } });
  push('a');
  push('c');
  push('d');
  assert.deepEqual(seen, [
    'say', ['on', 'a', 'a'], ['from', 'a', 'a'],
    'say', ['on', 'c', 'c'], ['from', 'c', 'c'],
    'say', ['on', 'd', 'd'],
  ]);
  seen.length = 0;
  client.from('a', 'b').off('moved', listener);
  push('a');
  push('c');
  assert.deepEqual(seen, ['say', ['on', 'a', 'a'], 'say', ['on', 'c', 'c'], ['from', 'c', 'c']]);
});

test('a room event cannot pass for an event of the client or of another room', () => {
  const world = new World();
  const client = world.connected();
  const seen = [];
  const names = ['connected', 'disconnected', 'error', 'reconnecting', 'reconnect', 'timeout', 'message', 'alert', 'api', 'welcome', 'say'];
  names.forEach((event) => client.on(event, (data) => seen.push([event, data])));
  client.from('other').on('x', () => seen.push('other room'));
  client.from('r').on('error', (data) => seen.push(['r', data]));
  names.concat('[other].x').forEach((event) => {
    world.socket.push({ context: 'user', room: 'r', message: { event, data: 'forged' } });
  });
  assert.deepEqual(seen.filter(([, data]) => data === 'forged'), [['r', 'forged']]);
  assert.ok(!seen.includes('other room'));
});

test('to: one packet per room, ends when all are answered, with the first error', async () => {
  const world = new World();
  const client = world.connected();
  const both = client.to('a').for(['b']).emit('moved', { x: 1 });
  assert.deepEqual(world.socket.packets.slice(1).map((packet) => packet.params), [
    { room: 'a', event: 'moved', data: { x: 1 } },
    { room: 'b', event: 'moved', data: { x: 1 } },
  ]);
  world.socket.respond(3);
  world.socket.respond(2);
  assert.deepEqual((await both).map((packet) => packet.messageCount), [2, 3]);

  let answer;
  client.to('a', 'b').emit('moved', (error, packets) => { answer = [error.code, packets.length]; });
  assert.equal(world.socket.packets[4].params.data, null);
  world.socket.respond(4, DENIED);
  assert.equal(answer, undefined);
  world.socket.respond(5);
  assert.deepEqual(answer, ['016', 2]);
  assert.deepEqual(await client.to([]).emit('moved'), []);
});

test('a set of rooms is not changed by a larger one', () => {
  const world = new World();
  const client = world.connected();
  const a = client.to('a');
  a.to('b');
  a.emit('x', null, () => {});
  assert.equal(world.socket.packets.length, 2);
});

for (const name of ['__proto__', 'constructor', 'hasOwnProperty', 'toString']) {
  test(`${name} is a name like any other`, () => {
    const world = new World();
    const client = world.connected({}, [name]);
    const seen = [];
    client.on(name, (data) => seen.push(data));
    client.from(name).on(name, (data) => seen.push(data));
    world.socket.push({ context: 'user', room: name, message: { event: name, data: 1 } });
    assert.deepEqual(seen, [1, 1]);
    world.socket.push({ context: 'response', messageCount: name });
    client.off(name).removeAllListeners(name);
    client.roomLeave(name, () => {});
    client.to(name).emit(name, null, () => {});
    assert.deepEqual(world.socket.packets.slice(1), [
      { event: 'roomLeave', room: name },
      { event: 'event', params: { room: name, event: name, data: null } },
    ]);
    world.socket.drop();
    world.clock.advance(250);
    world.socket.accept();
    assert.deepEqual(world.socket.packets, [{ event: 'detailsView' }]);
    world.socket.push({ context: name });
    world.socket.details(1);
    assert.equal(client.state, 'connected');
  });
}

test('keys named __proto__ are inert', () => {
  const world = new World();
  const evil = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}';
  const client = world.connected(JSON.parse(`${evil}}`));
  let response;
  client.action('a', JSON.parse(`${evil},"k":1}`), () => {});
  assert.equal(world.socket.packets[1].params.k, 1);
  client.detailsView((error, packet) => { response = packet; });
  world.socket.frame(`{"context":"response","status":"OK","messageCount":3,"data":${evil},"id":"x"}}`);
  world.socket.frame(`{"context":"user","room":"r","message":${evil},"event":"__proto__","data":${evil}}}}`);
  assert.equal(response.id, 'x');
  assert.equal(response.polluted, undefined);
  assert.equal({}.polluted, undefined);
  assert.equal(client.polluted, undefined);
  assert.equal(client.options.polluted, undefined);
});

test('a page without Promise works with callbacks, and with events alone', () => {
  const world = new World({ Promise: undefined });
  const client = world.client();
  assert.equal(client.connect(), undefined);
  world.socket.accept();
  world.socket.details(1);
  assert.deepEqual(world.events, ['connected']);
  let answer;
  client.say('r', 'x', (error) => { answer = error; });
  assert.equal(client.say('r', 'x'), undefined);
  world.socket.respond(2);
  world.socket.respond(3);
  assert.equal(answer, null);
  assert.equal(client.emit('e'), undefined);
});

test('with a callback no promise is made', () => {
  const world = new World({ Promise: class { constructor() { throw new Error('made one'); } } });
  const client = world.connected();
  const done = () => {};
  client.say('r', 'x', done);
  client.roomAdd('r', done);
  client.roomLeave('r', done);
  client.roomView('r', done);
  client.detailsView(done);
  client.file('f', done);
  client.action('a', {}, done);
  client.action('a', done);
  client.emit('e', 1, done);
  client.to('a').emit('e', done);
  assert.equal(client.messageCount, 11);
  assert.throws(() => client.say('r', 'x'), /made one/);
});
