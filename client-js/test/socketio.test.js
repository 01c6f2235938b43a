'use strict';

// socket.io, packet by packet, on a WebSocket and by long polling: the server is in the test's hand.

const { test } = require('node:test');
const assert = require('node:assert/strict');
const { World, HELLO } = require('./support/world');
const { SOCKETIO } = require('./support/load');

const OPEN = `0${JSON.stringify({ ...HELLO, upgrades: [] })}`;
const CONNECTED = '40{"sid":"public"}';
const DETAILS = '{"event":"detailsView"}';

function request(packet) {
  return `42["message",${typeof packet === 'string' ? packet : JSON.stringify(packet)}]`;
}

function event(name, packet) {
  return `42[${JSON.stringify(name)},${JSON.stringify(packet)}]`;
}

function response(messageCount, fields) {
  return event('response', { context: 'response', status: 'OK', messageCount, ...fields });
}

function details(messageCount, rooms = []) {
  return response(messageCount, { data: { id: 'public', rooms } });
}

// A page with the script, and a client that is connecting.
function connecting(options, globals) {
  const world = new World(globals, SOCKETIO);
  const client = world.client(options);
  client.on('transport', (name) => world.events.push(`transport: ${name}`));
  client.connect((error) => world.events.push(error ? `failed: ${error.message}` : 'callback'));
  return [world, client];
}

// Opens the session and connects, on the newest socket.
function accepted(world, rooms) {
  world.socket.accept();
  world.socket.frame(OPEN);
  world.socket.frame(CONNECTED);
  world.socket.frame(details(1, rooms));
}

// The same with requests.
function established(world) {
  world.held.packets(`0${JSON.stringify(HELLO)}`);
  assert.deepEqual(world.posted(), ['40']);
  world.held.packets(CONNECTED);
  assert.deepEqual(world.posted(), [request(DETAILS)]);
  world.held.packets(details(1));
}

function connected(options) {
  const [world, client] = connecting(options);
  accepted(world);
  assert.equal(client.state, 'connected');
  world.events.length = 0;
  world.socket.frames.length = 0;
  return [world, client];
}

function polling(options) {
  const [world, client] = connecting(options, { WebSocket: undefined });
  established(world);
  assert.equal(client.state, 'connected');
  world.events.length = 0;
  return [world, client];
}

test('opening, CONNECT and the first calls wait for each other', () => {
  const [world, client] = connecting({ rooms: ['a'] }, { document: { cookie: 'sessionID=x' } });
  assert.match(world.socket.url, /^wss:\/\/example\.org\/socket\.io\/\?EIO=4&transport=websocket&_primuscb=[0-9a-z]+&sessionID=x$/);
  const { frames } = world.socket;
  world.socket.accept();
  assert.deepEqual(frames, []);
  world.socket.frame(OPEN);
  assert.deepEqual(frames, ['40']);
  world.socket.frame(CONNECTED);
  world.socket.frame(event('welcome', { welcome: 'hi', context: 'api' }));
  assert.deepEqual(frames.splice(0), ['40', request({ event: 'roomAdd', room: 'a' })]);
  world.socket.frame(response(1, { data: true }));
  assert.deepEqual(frames, [request(DETAILS)]);
  assert.deepEqual(world.events, []);
  world.socket.frame(details(2, ['a']));
  assert.deepEqual(world.events, ['callback', 'connected', 'transport: socketio']);
  assert.deepEqual([client.state, client.transport, client.id], ['connected', 'socketio', 'public']);
  assert.deepEqual([client.rooms, client.welcomeMessage], [['a'], 'hi']);
  assert.deepEqual(world.requests, []);
});

test('calls go out as whole packets, in order; answers find them whatever their order', () => {
  const [world, client] = connected();
  const answers = [];
  const note = (error, packet) => answers.push(error ? error.code : packet.messageCount);
  client.say('r', { text: 'a "b" \u2028 ]', n: [1] }, note);
  client.file('a,b.txt', (packet) => note(null, packet));
  client.action('sum', { a: 1 }, (packet) => note(null, packet));
  assert.deepEqual(world.socket.frames, [
    request({ event: 'say', room: 'r', message: { text: 'a "b" \u2028 ]', n: [1] } }),
    request({ event: 'file', file: 'a,b.txt' }),
    request({ event: 'action', params: { a: 1, action: 'sum' } }),
  ]);
  world.socket.frame(response(4));
  world.socket.frame(response(3));
  world.socket.frame(response(2, { status: 'no', error: { code: '016', message: 'no' } }));
  assert.deepEqual(answers, [4, 3, '016']);
});

test('pushes raise what they raise on the other transports', () => {
  const [world, client] = connected();
  const heard = [];
  for (const name of ['say', 'welcome', 'alert', 'api', 'moved']) client.on(name, (packet) => heard.push([name, packet]));
  const said = { context: 'user', room: 'r', message: 'a","b" \u2028]}' };
  const moved = { context: 'user', room: 'r', message: { event: 'moved', data: { x: 1 } } };
  const pushes = [
    ['say', said], ['say', moved], ['welcome', { context: 'api', welcome: 'hi' }], ['alert', { context: 'alert', n: 1 }],
    ['api', { context: 'weather', n: 2 }],
  ];
  for (const [name, packet] of pushes) world.socket.frame(event(name, packet));
  assert.deepEqual(heard, [...pushes.slice(0, 2), ['moved', { x: 1 }], ...pushes.slice(2)]);
});

test('values of the application that are no packets are raised, whatever they look like', () => {
  const [world, client] = connected();
  const heard = [];
  client.on('api', (packet) => heard.push(packet));
  const values = [[1, '2'], 'primus::server::close', 'primus::ping::17', '41', null, 0];
  for (const value of values) world.socket.frame(event('message', value));
  assert.deepEqual(heard, values);
  assert.deepEqual(world.socket.frames, []);
  assert.deepEqual(world.events, []);
});

test('what is not for the application is passed over', () => {
  const [world, client] = connected();
  client.on('message', (packet) => world.events.push(packet));
  const odd = [
    '42["news",{}]', '42["news",1,2]', '42["say"]', '42["message"]', '42[]', '42', '4',
    '42/admin,["say",{}]', '4212["say",{}]', '431[{}]', '451-["say",{"_placeholder":true,"num":0}]', '45', '461-1[]',
    '40{"sid":"again"}', '40/admin,{"sid":"x"}', '41/admin,', '44{"message":"too late"}', '44/admin,{"message":"Invalid namespace"}',
    '4"primus::server::close"', '6', 'bAQIDBA==', new ArrayBuffer(4),
  ];
  for (const frame of odd) world.socket.frame(frame);
  assert.deepEqual(world.events, []);
  assert.deepEqual(world.socket.frames, []);
  assert.equal(client.state, 'connected');
  assert.equal(world.socket.closed, false);
});

test('nothing counts before CONNECT is answered', () => {
  const [world, client] = connecting();
  client.on('message', (packet) => world.events.push(packet));
  world.socket.accept();
  world.socket.frame(OPEN);
  for (const frame of ['42["say",{}]', '41', '40', '40/admin,{"sid":"x"}', '44/admin,{}', '45', '2']) world.socket.frame(frame);
  assert.deepEqual(world.events, []);
  assert.deepEqual(world.socket.frames, ['40', '3']);
  world.socket.frame(CONNECTED);
  world.socket.frame(details(1));
  assert.equal(client.state, 'connected');
});

for (const [what, transports, refuse] of [
  ['on a WebSocket', ['socketio'], (world) => {
    world.socket.accept();
    world.socket.frame(OPEN);
    world.socket.frame('44{"message":"no ticket","data":{"status":401}}');
    assert.ok(world.socket.closed);
    assert.deepEqual(world.socket.frames, ['40']);
  }],
  ['by polling', ['socketio-polling'], (world) => {
    world.held.packets(OPEN);
    world.posted();
    world.held.packets('44{"message":"no ticket","data":{"status":401}}');
    assert.deepEqual(world.posted(), ['1']);
  }],
]) {
  test(`a refusal ${what} is an error with the server's words, and another attempt follows`, () => {
    const [world, client] = connecting({ transports });
    const errors = [];
    client.on('error', (error) => errors.push(error));
    refuse(world);
    assert.deepEqual(world.events, ['error: no ticket', 'failed: no ticket']);
    assert.deepEqual(errors[0].packet.error.data, { status: 401 });
    world.clock.advance(250);
    assert.equal(client.state, 'reconnecting');
  });
}

test('a refusal without words is a failed attempt', () => {
  for (const refusal of ['44{"message', '44"text"', '44{}']) {
    const [world] = connecting({ transports: ['socketio'], reconnect: false });
    world.socket.accept();
    world.socket.frame(OPEN);
    world.socket.frame(refusal);
    assert.equal(world.events.length, 2, refusal);
    assert.match(world.events[1], /^failed: /);
    assert.ok(world.socket.closed);
  }
});

test('who is refused on a WebSocket asks by polling once, and is told once', () => {
  const [world] = connecting();
  world.socket.accept();
  world.socket.frame(OPEN);
  world.socket.frame('44{"message":"no ticket"}');
  assert.deepEqual(world.events, []);
  world.held.packets(OPEN);
  assert.deepEqual(world.posted(), ['40']);
  world.held.packets('44{"message":"no ticket"}');
  assert.deepEqual(world.events, ['error: no ticket', 'failed: no ticket']);
});

test('41 ends for good, with nothing more to be said', () => {
  const [world, client] = connected();
  client.say('r', 'x', (error) => world.events.push(`call: ${error.message}`));
  world.socket.frames.length = 0;
  world.socket.frame('41');
  world.socket.frame('1');
  world.socket.drop(1005);
  world.clock.advance(1e9);
  assert.deepEqual(world.events, ['disconnected', 'call: closed by the server']);
  assert.equal(client.state, 'disconnected');
  assert.deepEqual(world.socket.frames, []);
  assert.ok(world.socket.closed);
  assert.equal(world.sockets.length, 1);
});

test('41 by polling: a session that is closed with it needs no request', () => {
  const [world, client] = polling();
  world.held.packets('41', '1');
  world.clock.advance(1e9);
  assert.deepEqual(world.events, ['disconnected']);
  assert.deepEqual([...world.polls('GET'), ...world.polls('POST')], []);
  assert.equal(client.state, 'disconnected');

  const [other] = polling();
  other.held.packets('41');
  assert.deepEqual(other.posted(), ['1']);
  assert.deepEqual([...other.polls('GET'), ...other.polls('POST')], []);
});

for (const [what, lose, errors] of [
  ['a close packet', (world) => world.socket.frame('1'), []],
  ['a socket that breaks', (world) => world.socket.drop(1006), []],
  ['something else than engine.io', (world) => world.socket.frame('hello'), ['error: socketio: got hello']],
]) {
  test(`${what} is a loss: the rooms are joined again`, () => {
    const [world, client] = connecting({ rooms: ['a'] });
    world.socket.accept();
    world.socket.frame(OPEN);
    world.socket.frame(CONNECTED);
    world.socket.frame(response(1, { data: true }));
    world.socket.frame(details(2, ['a']));
    world.socket.frames.length = world.events.length = 0;
    lose(world);
    assert.deepEqual(world.events.splice(0), [...errors, 'disconnected']);
    assert.deepEqual(world.socket.frames, []);
    world.clock.advance(250);
    world.socket.accept();
    world.socket.frame(OPEN);
    world.socket.frame(CONNECTED);
    assert.deepEqual(world.socket.frames, ['40', request({ event: 'roomAdd', room: 'a' })]);
    world.socket.frame(response(1, { error: { code: '017', message: 'already' } }));
    world.socket.frame(details(2, ['a']));
    assert.deepEqual(world.events, ['reconnecting', 'reconnect', 'connected', 'transport: socketio']);
    assert.deepEqual(client.rooms, ['a']);
  });
}

test('pings are answered; silence for both times of the opening is a loss', () => {
  const [world, client] = connected({ pingTimeout: 0 });
  world.clock.advance(44999);
  world.socket.frame('2');
  assert.deepEqual(world.socket.frames, ['3']);
  world.clock.advance(44999);
  assert.equal(client.state, 'connected');
  world.clock.advance(1);
  assert.deepEqual(world.events, ['error: nothing heard for 45000 ms', 'disconnected']);
  assert.ok(world.socket.closed);
  world.clock.advance(250);
  assert.equal(world.sockets.length, 2);
});

test('disconnect leaves the namespace and closes; late frames are not answered', () => {
  const [world, client] = connected();
  client.disconnect();
  assert.deepEqual(world.socket.frames, ['41']);
  assert.ok(world.socket.closed);
  world.socket.frame('2');
  world.socket.frame(event('say', { context: 'user' }));
  world.socket.drop(1000);
  assert.deepEqual(world.socket.frames, ['41']);
  assert.deepEqual(world.events, ['disconnected']);
  assert.equal(world.clock.timers.size, 0);

  const [other, stranger] = polling();
  stranger.say('r', 'last', () => {});
  stranger.disconnect();
  assert.deepEqual(other.posted(), [request({ event: 'say', room: 'r', message: 'last' }), '41', '1']);
  assert.deepEqual(other.polls('GET'), []);
});

test('disconnect before CONNECT is answered leaves nothing that has not begun', () => {
  for (const steps of [0, 1, 2]) {
    const [world, client] = connecting();
    if (steps > 0) world.socket.accept();
    if (steps > 1) world.socket.frame(OPEN);
    client.disconnect();
    world.socket.accept();
    world.socket.frame(OPEN);
    world.socket.frame(CONNECTED);
    assert.deepEqual(world.socket.frames, steps > 1 ? ['40'] : []);
    assert.ok(world.socket.closed);
    assert.equal(client.state, 'disconnected');
    assert.equal(world.clock.timers.size, 0);
  }
});

const BY_POLLING = ['callback', 'connected', 'transport: socketio-polling'];

for (const [what, fail] of [
  ['is refused', (world) => world.socket.drop()],
  ['stays closed', (world) => world.clock.advance(4000)],
  ['opens and says nothing', (world) => { world.socket.accept(); world.clock.advance(4000); }],
  ['does not answer CONNECT', (world) => {
    world.clock.advance(3000);
    world.socket.accept();
    world.socket.frame(OPEN);
    world.clock.advance(4000);
  }],
  ['is closed with the opening', (world) => { world.socket.accept(); world.socket.frame('1'); }],
]) {
  test(`a socket that ${what} is followed by polling at the same door`, () => {
    const [world, client] = connecting();
    fail(world);
    assert.match(world.held.url, /^https:\/\/example\.org\/socket\.io\/\?EIO=4&transport=polling&/);
    established(world);
    assert.deepEqual(world.events, BY_POLLING);
    assert.equal(client.transport, 'socketio-polling');
    // What worked is tried first.
    world.held.answer(0, '', '');
    world.clock.advance(250);
    assert.equal(world.sockets.length, 1);
    established(world);
    assert.equal(client.transport, 'socketio-polling');
  });
}

test('without WebSocket polling begins at once, without either nothing does', () => {
  const [world] = connecting({}, { WebSocket: undefined });
  established(world);
  assert.deepEqual(world.events, BY_POLLING);
  const [other] = connecting({}, { WebSocket: undefined, XMLHttpRequest: undefined });
  other.clock.advance(1e9);
  assert.equal(other.events[0], 'error: no transport of this script works here');
});

test('an error of polling says which request failed', () => {
  const [world] = polling();
  world.held.answer(400, '', '{"code":1,"message":"Session ID unknown"}');
  assert.equal(world.events[0], 'error: socketio-polling: GET answered 400 {"code":1,"message":"Session ID unknown"}');
});

test('polling moves to a socket as soon as one gets through; the namespace stays joined', () => {
  const [world, client] = connecting();
  world.socket.drop();
  established(world);
  world.events.length = 0;
  world.clock.advance(30000);
  assert.match(world.socket.url, /^wss:\/\/example\.org\/socket\.io\/\?EIO=4&transport=websocket&sid=S&/);
  world.socket.accept();
  world.socket.frame('3probe');
  client.say('r', 'x', () => {});
  world.held.packets('6');
  assert.deepEqual(world.socket.frames, ['2probe', '5', request({ event: 'say', room: 'r', message: 'x' })]);
  assert.deepEqual(world.events, ['transport: socketio']);
  world.socket.frame(event('api', { n: 1 }));
  client.disconnect();
  assert.equal(world.socket.frames.pop(), '41');
  assert.ok(world.socket.closed);
  assert.deepEqual([...world.polls('GET'), ...world.polls('POST')], []);
  assert.equal(world.clock.timers.size, 0);
});

test('one transport alone has no other, and polling that was wished for first stays', () => {
  const [world] = connecting({ transports: ['socketio'], reconnect: false });
  world.socket.drop(1006);
  assert.deepEqual(world.events, ['error: connection failed (1006)', 'failed: connection failed (1006)']);
  assert.deepEqual(world.requests, []);

  const [other, client] = connecting({ transports: ['socketio-polling', 'socketio'] });
  established(other);
  other.clock.advance(44000);
  assert.equal(client.transport, 'socketio-polling');
  assert.equal(other.sockets.length, 0);
});
