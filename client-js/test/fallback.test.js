'use strict';

// The way from one transport to the next: when, how fast, and what is remembered of it.

const { test } = require('node:test');
const assert = require('node:assert/strict');
const { World } = require('./support/world');

const BOTH = ['ws', 'polling'];

// A page with a script for both, and a client that is connecting.
function connecting(options, globals) {
  const world = new World(globals, BOTH);
  const client = world.client(options);
  client.on('transport', (name) => world.events.push(`transport: ${name}`));
  client.connect((error) => world.events.push(error ? `failed: ${error.message}` : 'callback'));
  return [world, client];
}

function accepted(world) {
  world.socket.accept();
  world.socket.details(1);
}

const BY_POLLING = ['callback', 'connected', 'transport: polling'];

test('WebSocket is used where it works, and nothing else is tried', () => {
  const [world, client] = connecting();
  accepted(world);
  assert.deepEqual(world.events, ['callback', 'connected', 'transport: ws']);
  assert.equal(client.transport, 'ws');
  world.clock.advance(40000);
  assert.deepEqual(world.requests, []);
  assert.equal(world.sockets.length, 1);
});

test('without WebSocket polling begins at once', () => {
  const [world, client] = connecting({}, { WebSocket: undefined });
  world.establish();
  assert.deepEqual(world.events, BY_POLLING);
  assert.equal(client.transport, 'polling');
});

test('a socket that is refused hands over at once, without an error', () => {
  const [world, client] = connecting();
  world.socket.onerror({ message: 'refused' });
  world.socket.drop();
  world.establish();
  assert.deepEqual(world.events, BY_POLLING);
  assert.equal(client.state, 'connected');
});

test('a constructor that throws hands over', () => {
  const [world] = connecting({}, { WebSocket: function Blocked() { throw new Error('blocked'); } });
  world.clock.advance(0);
  world.establish();
  assert.deepEqual(world.events, BY_POLLING);
});

test('a socket that never opens is left after fallbackTimeout', () => {
  const [world] = connecting();
  world.clock.advance(3999);
  assert.deepEqual(world.requests, []);
  world.clock.advance(1);
  assert.ok(world.socket.closed);
  world.establish();
  assert.deepEqual(world.events, BY_POLLING);
  // Whatever the socket does now is too late.
  world.socket.accept();
  world.socket.push({ context: 'api' });
  world.socket.drop();
  assert.deepEqual(world.events, BY_POLLING);
  assert.equal(world.sockets.length, 1);
});

test('a socket that opens and stays silent is left too, counted from the beginning', () => {
  const [world, client] = connecting({ rooms: ['a'], fallbackTimeout: 1000 });
  world.clock.advance(600);
  world.socket.accept();
  client.say('a', 'waits', (error) => world.events.push(`say: ${error}`));
  world.clock.advance(399);
  assert.deepEqual(world.requests, []);
  world.clock.advance(1);
  assert.ok(world.socket.closed);

  world.held.packets('0{"sid":"S","upgrades":[],"pingInterval":1,"pingTimeout":99999,"maxPayload":1000}');
  assert.deepEqual(world.posted(), ['4{"event":"roomAdd","room":"a"}']);
  const answer = (messageCount, data) => `4${JSON.stringify({ context: 'response', status: 'OK', messageCount, data })}`;
  world.held.packets(answer(1, true));
  world.posted();
  world.held.packets(answer(2, { id: 'x', rooms: ['a'] }));
  assert.deepEqual(world.events, BY_POLLING);
  assert.deepEqual(world.posted(), ['4{"event":"say","room":"a","message":"waits"}']);
  world.held.packets(answer(3));
  assert.equal(world.events.pop(), 'say: null');
});

test('a socket that only speaks at first, or closes before it is connected, is left', () => {
  for (const ending of [(world) => world.clock.advance(1), (world) => world.socket.drop(1011, 'no')]) {
    const [world] = connecting();
    world.socket.accept();
    world.clock.advance(3000);
    world.socket.push({ context: 'api', welcome: 'hi' });
    world.clock.advance(3999);
    assert.deepEqual(world.requests, []);
    ending(world);
    world.establish();
    assert.deepEqual(world.events, BY_POLLING);
  }
});

test('one that is slow but talks is kept', () => {
  const [world, client] = connecting();
  world.clock.advance(3000);
  world.socket.accept();
  world.socket.push({ context: 'api', welcome: 'hi' });
  world.clock.advance(3000);
  world.socket.details(1);
  assert.equal(client.transport, 'ws');
  world.clock.advance(44999);
  assert.equal(client.state, 'connected');
});

test('fallbackTimeout: 0 waits for ever, and the last transport is given all the time that is left', () => {
  const [world] = connecting({ fallbackTimeout: 0 });
  world.clock.advance(9999);
  assert.deepEqual([world.requests, world.events], [[], []]);
  world.clock.advance(1);
  assert.deepEqual(world.events, ['timeout', 'error: no connection within 10000 ms', 'failed: no connection within 10000 ms']);

  const [other] = connecting();
  other.clock.advance(9999);
  assert.equal(other.polls('GET').length, 1);
  assert.deepEqual(other.events, []);
  other.clock.advance(1);
  assert.deepEqual(other.events.slice(0, 2), ['timeout', 'error: no connection within 10000 ms']);
});

test('connectTimeout covers the attempt, also while a silent socket is open', () => {
  const [world, client] = connecting({ connectTimeout: 3000 });
  world.socket.accept();
  world.clock.advance(3000);
  assert.equal(client.state, 'timeout');
  assert.ok(world.socket.closed);
  assert.deepEqual(world.requests, []);
});

test('when all fail the attempt fails once, and the next one tries all again', () => {
  const [world, client] = connecting();
  world.socket.drop();
  world.held.answer(502, 'Bad Gateway', '');
  assert.deepEqual(world.events, ['error: polling: GET answered 502 ', 'failed: polling: GET answered 502 ']);
  world.clock.advance(250);
  assert.equal(client.state, 'reconnecting');
  assert.equal(world.sockets.length, 2);
  accepted(world);
  assert.equal(client.transport, 'ws');
});

test('an attempt is final only if every transport refused at once', () => {
  const blocked = function Blocked() { throw new Error('blocked'); };
  const [world] = connecting({}, { WebSocket: blocked, XMLHttpRequest: blocked });
  world.clock.advance(1e9);
  assert.deepEqual(world.events, ['error: blocked', 'failed: blocked']);

  const [other, client] = connecting({}, { XMLHttpRequest: blocked });
  other.socket.drop();
  other.clock.advance(250);
  assert.equal(client.state, 'reconnecting');
});

test('the order of the options counts; unknown names are passed over', () => {
  const [world, client] = connecting({ transports: ['pigeon', 'polling', 'ws'] });
  assert.equal(world.sockets.length, 0);
  world.held.answer(400, '', '');
  assert.equal(world.sockets.length, 1);
  accepted(world);
  assert.equal(client.transport, 'ws');
});

test('what worked is tried first, by this client and by others of the page', () => {
  const [world, client] = connecting();
  world.socket.drop();
  world.establish();
  world.held.answer(0, '', '');
  assert.equal(client.transport, null);
  world.clock.advance(250);
  assert.equal(world.sockets.length, 1);
  world.establish();
  assert.equal(client.transport, 'polling');

  const other = new world.Client();
  other.connect(() => {});
  assert.equal(world.sockets.length, 1);
  assert.equal(world.polls('GET').length, 2);
  // Of another server nothing is known, and neither has another page of this one.
  new world.Client({ url: 'https://elsewhere.org' }).connect(() => {});
  assert.equal(world.sockets.length, 2);
});

test('what worked and then fails to connect is followed by the others, in the same attempt', () => {
  const [world, client] = connecting();
  world.socket.drop();
  world.establish();
  world.held.answer(0, '', '');
  world.events.length = 0;
  world.clock.advance(250);
  world.held.answer(404, 'Not Found', '');
  accepted(world);
  assert.deepEqual(world.events, ['reconnecting', 'reconnect', 'connected', 'transport: ws']);

  // Now it is WebSocket that worked; losing its link does not speak against it.
  world.socket.drop();
  world.clock.advance(500);
  assert.equal(world.sockets.length, 3);
  assert.deepEqual(world.polls('GET'), []);
  accepted(world);
  assert.equal(client.transport, 'ws');
});

test('one that connects and never holds is left for the next', () => {
  const [world, client] = connecting({ reconnect: { min: 100, max: 100 } });
  const carried = [];
  for (let round = 0; round < 3; round++) {
    accepted(world);
    carried.push(client.transport);
    world.clock.advance(9000);
    world.socket.drop();
    world.clock.advance(100);
  }
  assert.deepEqual(carried, ['ws', 'ws', 'ws']);
  assert.equal(world.sockets.length, 3);
  world.establish();
  assert.equal(client.transport, 'polling');
});

test('restarts of the server, however many, do not speak against the WebSocket', () => {
  const endings = {
    'it says goodbye': (world) => world.socket.drop(1001, 'server is going away'),
    'it crashes, and is away for a while': (world) => {
      world.socket.drop();
      world.clock.advance(100);
      world.socket.drop();
      world.held.answer(0, '', '');
    },
  };
  for (const [name, end] of Object.entries(endings)) {
    const [world, client] = connecting({ reconnect: { min: 100, max: 100 } });
    for (let round = 0; round < 12; round++) {
      accepted(world);
      assert.equal(client.transport, 'ws', `${name}: ${round}`);
      world.clock.advance(round * 500);
      end(world);
      world.clock.advance(100);
    }
  }
});

test('a server that comes back between the WebSocket and polling has its client on WebSocket at once', () => {
  const [world, client] = connecting();
  accepted(world);
  world.events.length = 0;
  world.socket.drop(1001, 'server is going away');
  world.clock.advance(250);
  world.socket.drop();
  world.establish();
  assert.equal(client.transport, 'polling');
  assert.equal(world.sockets.length, 3, 'the probe');
  world.socket.accept();
  world.socket.frame('3probe');
  world.held.packets('6');
  assert.equal(client.transport, 'ws');
  assert.deepEqual(world.events, ['disconnected', 'reconnecting', 'reconnect', 'connected', 'transport: polling', 'transport: ws']);
});

test('if the WebSocket is really gone, the next probes come after upgradeDelay', () => {
  const [world, client] = connecting();
  accepted(world);
  world.socket.drop();
  world.clock.advance(250);
  world.socket.drop();
  world.establish({ pingInterval: 1e6 });
  world.socket.drop();
  assert.equal(world.sockets.length, 3);
  world.clock.advance(29999);
  assert.equal(world.sockets.length, 3);
  world.clock.advance(1);
  assert.equal(world.sockets.length, 4);
  world.socket.drop();
  world.clock.advance(59999);
  assert.equal(world.sockets.length, 4);
  assert.equal(client.transport, 'polling');
});

test('one that holds for a while is not left for its losses', () => {
  const [world, client] = connecting({ reconnect: { min: 100, max: 100 } });
  for (let round = 0; round < 5; round++) {
    accepted(world);
    assert.equal(client.transport, 'ws');
    world.clock.advance(10000);
    world.socket.drop();
    world.clock.advance(100);
  }
  assert.equal(world.sockets.length, 6);
});

test('reconnect is raised once, even if a silent socket opened before', () => {
  const [world] = connecting();
  accepted(world);
  world.socket.drop();
  world.clock.advance(250);
  world.socket.accept();
  world.clock.advance(4000);
  world.establish();
  assert.deepEqual(world.events.filter((event) => event === 'reconnect'), ['reconnect']);
  assert.equal(world.events.pop(), 'transport: polling');
});

test('disconnect while the second is tried is final', () => {
  const [world, client] = connecting();
  world.socket.drop();
  const { held } = world;
  client.disconnect();
  world.clock.advance(1e9);
  assert.ok(held.isAborted);
  assert.equal(world.requests.length, 1);
  assert.equal(world.sockets.length, 1);
  assert.equal(world.clock.timers.size, 0);
});

test('disconnect from `connected`: no transport is announced', () => {
  const [world, client] = connecting();
  client.on('connected', () => client.disconnect());
  accepted(world);
  assert.equal(world.events.filter((event) => event.startsWith('transport')).length, 0);
  assert.equal(client.transport, null);
});

test('a room event cannot pass for the event of the client', () => {
  const [world] = connecting();
  accepted(world);
  world.events.length = 0;
  world.socket.push({ context: 'user', room: 'r', message: { event: 'transport', data: 'fake' } });
  assert.deepEqual(world.events, []);
});
