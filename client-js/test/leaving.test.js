'use strict';

// A page that is left, and one that is come back to.

const { test } = require('node:test');
const assert = require('node:assert/strict');
const { World, withoutId } = require('./support/world');

const SOCKETIO = ['socketio', 'socketio-polling'];
const HELLO = '0{"sid":"S","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}';

// A client that polls, connected, with a GET held.
function polling(globals) {
  const world = new World(globals, ['polling']);
  const client = world.client();
  client.connect(() => {});
  world.held.packets(HELLO);
  world.posted();
  world.held.packets('4{"context":"response","status":"OK","messageCount":1,"data":{"id":"id","rooms":[]}}');
  world.events.length = 0;
  return [world, client];
}

function say(client, message) {
  client.say('a', message, () => {});
  return `4{"event":"say","room":"a","message":${JSON.stringify(message)}}`;
}

test('a page that is left closes its socket, and tells nobody', () => {
  const world = new World();
  const client = world.connected({}, ['a']);
  const answers = [];
  client.detailsView((error) => answers.push(error));
  world.fire('pagehide');
  assert.ok(world.socket.closed);
  assert.equal(client.state, 'disconnected');
  world.socket.drop();
  world.clock.advance(1e4);
  assert.deepEqual(world.events, []);
  assert.deepEqual(answers, []);
  assert.equal(world.sockets.length, 1);
});

test('a page that is come back to is told of a loss, and joins its rooms at once', () => {
  const world = new World();
  const client = world.connected({}, ['a']);
  client.detailsView((error) => world.events.push(`call: ${error.message}`));
  world.fire('pagehide');
  world.fire('pageshow');
  assert.deepEqual(world.events, ['disconnected', 'call: the page was left', 'reconnecting']);
  assert.equal(world.sockets.length, 2);
  world.socket.accept();
  assert.deepEqual(world.socket.packets, [{ event: 'roomAdd', room: 'a' }]);
  world.socket.respond(1, { data: true });
  world.socket.details(2, { rooms: ['a'] });
  assert.deepEqual(world.events.slice(3), ['reconnect', 'connected']);
  assert.deepEqual(client.rooms, ['a']);
});

test('what is called between leaving and coming back fails', () => {
  const world = new World();
  const client = world.connected();
  const answers = [];
  world.fire('pagehide');
  client.detailsView((error) => answers.push(error.message));
  world.clock.advance(0);
  assert.deepEqual(answers, ['not connected']);
});

test('leaving during the delay before an attempt: none is made until the page is back', () => {
  const world = new World();
  world.connected();
  world.socket.drop();
  world.fire('pagehide');
  world.clock.advance(1e9);
  assert.equal(world.sockets.length, 1);
  world.events.length = 0;
  world.fire('pageshow');
  assert.deepEqual(world.events, ['reconnecting']);
  assert.equal(world.sockets.length, 2);
});

test('leaving while the first connection opens: its call fails, and the page that is back goes on', () => {
  const world = new World();
  const client = world.client();
  const answers = [];
  client.connect((error) => answers.push(error.message));
  world.fire('pagehide');
  assert.ok(world.socket.closed);
  world.fire('pageshow');
  assert.deepEqual(answers, ['the page was left']);
  assert.equal(world.sockets.length, 2);
  world.socket.accept();
  world.socket.details(1);
  assert.deepEqual(world.events, ['reconnecting', 'connected']);
});

test('without the wish to come back a page that is back stays disconnected', () => {
  const world = new World();
  world.connected({ reconnect: false });
  world.fire('pagehide');
  world.fire('pageshow');
  assert.deepEqual(world.events, ['disconnected']);
  assert.equal(world.sockets.length, 1);
  assert.deepEqual(world.network, { online: [], offline: [], pagehide: [], pageshow: [] });
});

test('a page that was left and connects anew by itself is left alone', () => {
  const world = new World();
  const client = world.connected();
  world.fire('pagehide');
  client.connect(() => {});
  world.fire('pageshow');
  assert.equal(world.sockets.length, 2);
  assert.equal(world.socket.closed, false);
});

test('pages that are first shown, and links to downloads, change nothing', () => {
  const world = new World();
  world.connected();
  world.fire('pageshow');
  assert.deepEqual(Object.keys(world.network).filter((event) => /unload/.test(event)), []);
  assert.equal(world.socket.closed, false);
  assert.deepEqual(world.events, []);
});

test('over polling a beacon takes what waits, and the close behind it', () => {
  const [world, client] = polling();
  const packets = [say(client, 'one'), say(client, 'two')];
  world.fire('pagehide');
  assert.deepEqual(world.beacons.map(({ body }) => body.split('\x1e')), [[...packets, '1']]);
  assert.match(world.beacons[0].url, /[?&]transport=polling&.*sid=S$/);
  // The held GET ends with the session: if it were dropped, the server might hear of that first.
  assert.equal(world.polls('GET').length, 1);
  assert.equal(world.polls('POST').length, 0);
  world.clock.advance(5000);
  assert.equal(world.polls('GET').length, 0);
});

test('a beacon does not wait for the POST under way', () => {
  const [world, client] = polling();
  say(client, 'one');
  world.clock.advance(0);
  assert.equal(world.polls('POST').length, 1);
  const packet = say(client, 'two');
  world.fire('pagehide');
  assert.deepEqual(world.beacons.map(({ body }) => body.split('\x1e')), [[packet, '1']]);
});

test('a beacon takes as many packets as browsers allow, and always the close', () => {
  const [world, client] = polling();
  const first = say(client, 'x'.repeat(40000));
  say(client, 'y'.repeat(40000));
  world.fire('pagehide');
  assert.deepEqual(world.beacons.map(({ body }) => body.split('\x1e')), [[first, '1']]);

  const [other, talker] = polling();
  say(talker, 'x'.repeat(70000));
  other.fire('pagehide');
  assert.deepEqual(other.beacons.map(({ body }) => body), ['1']);
});

test('without beacons a request holds the page up', () => {
  const [world, client] = polling({ navigator: {} });
  const packet = say(client, 'one');
  world.fire('pagehide');
  const [post] = world.polls('POST');
  assert.equal(post.isAsync, false);
  assert.deepEqual(withoutId(post.body).split('\x1e'), [packet, '1']);
});

test('a session that has not opened yet is dropped', () => {
  const world = new World({}, ['polling']);
  world.client().connect(() => {});
  const { held } = world;
  world.fire('pagehide');
  assert.ok(held.isAborted);
  assert.deepEqual(world.beacons, []);
});

test('over socket.io the disconnect goes first', () => {
  const world = new World({ WebSocket: undefined }, SOCKETIO);
  world.client().connect(() => {});
  world.held.packets(HELLO);
  world.posted();
  world.held.packets('40{"sid":"s"}');
  world.posted();
  world.fire('pagehide');
  assert.deepEqual(world.beacons.map(({ body }) => body.split('\x1e')), [['41', '1']]);
});

test('a socket that the browser has interrupted is replaced at once', () => {
  const world = new World();
  world.connected();
  world.socket.drop(1001);
  assert.equal(world.clock.wait, 0);
  assert.deepEqual(world.events, ['disconnected']);

  // A server that goes away says so.
  const other = new World();
  other.connected();
  other.socket.drop(1001, 'server is going away');
  assert.equal(other.clock.wait, 250);
});

// Firefox does so as soon as a link is followed, and raises `pagehide` when the other page is there.
test('requests that the browser drops: what had not left yet leaves with a beacon, and the session ends', () => {
  const [world, client] = polling();
  const { url } = world.held;
  const said = say(client, 'Grüße');
  world.held.answer(0, '', '');
  assert.deepEqual(world.beacons.map(({ body }) => body), [`${said}\x1e1`]);
  assert.equal(world.beacons[0].url.replace(/&t=.*/, ''), url.replace(/&t=.*/, ''));
  assert.deepEqual(world.events, ['error: polling: GET answered 0 ', 'disconnected']);
  world.fire('pagehide');
  assert.equal(world.beacons.length, 1);
});

test('requests that the browser drops: what was under way is not said twice', () => {
  const [world, client] = polling();
  say(client, 'one');
  world.clock.advance(0);
  const two = say(client, 'two');
  world.polls('POST')[0].answer(0, '', '');
  assert.deepEqual(world.beacons.map(({ body }) => body), [`${two}\x1e1`]);
});

test('requests that the browser drops: without beacons the page is not held up', () => {
  const [world, client] = polling({ navigator: {} });
  say(client, 'one');
  world.held.answer(0, '', '');
  assert.deepEqual(world.polls('POST'), []);
  assert.equal(client.state, 'disconnected');
});

test('a request that is answered with an error sends no beacon: the server has ended the session', () => {
  const [world, client] = polling();
  say(client, 'one');
  world.held.answer(400, 'Bad Request', '{"code":1,"message":"Session ID unknown"}');
  assert.deepEqual(world.beacons, []);
});
