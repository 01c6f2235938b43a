'use strict';

// From long polling to WebSocket within one session, step by step: the server is in the test's hand.

const { test } = require('node:test');
const assert = require('node:assert/strict');
const { World } = require('./support/world');

const BOTH = ['ws', 'polling'];

// Connected by polling, as WebSocket was refused at first.
function polling(options, hello) {
  const world = new World({}, BOTH);
  const client = world.client(options);
  client.on('transport', (name) => world.events.push(`transport: ${name}`));
  client.connect(() => {});
  world.socket.drop();
  world.establish(hello);
  assert.equal(client.transport, 'polling');
  world.events.length = 0;
  world.sockets.length = 0;
  return [world, client];
}

// The same, with a probe that the server has answered.
function probed(options) {
  const [world, client] = polling(options);
  world.clock.advance(30000);
  world.socket.accept();
  assert.deepEqual(world.socket.frames, ['2probe']);
  world.socket.frame('3probe');
  return [world, client];
}

function upgraded(options) {
  const [world, client] = probed(options);
  world.held.packets('6');
  assert.deepEqual(world.socket.frames, ['2probe', '5']);
  world.events.length = 0;
  return [world, client];
}

test('after upgradeDelay the same session is probed; the held GET and the POST are waited for', () => {
  const [world, client] = polling();
  world.clock.advance(29999);
  assert.equal(world.sockets.length, 0);
  world.clock.advance(1);
  assert.match(world.socket.url, /^wss:\/\/example\.org\/primus\/\?EIO=4&transport=websocket&sid=S&_primuscb=[0-9a-z]+$/);
  assert.deepEqual(world.socket.frames, []);
  world.socket.accept();
  assert.deepEqual(world.socket.frames, ['2probe']);

  const heard = [];
  client.on('api', (packet) => heard.push(packet.n));
  client.say('r', 1, () => {});
  world.clock.advance(0);
  client.say('r', 2, () => {});
  world.held.packets('4{"n":1}');
  world.socket.frame('3probe');
  world.held.packets('2', '4{"n":2}');
  assert.deepEqual(world.polls('GET'), []);
  assert.deepEqual(world.socket.frames, ['2probe']);
  client.say('r', 3, () => {});
  const [post] = world.polls('POST');
  world.clock.advance(0);
  assert.deepEqual(world.polls('POST'), [post]);
  assert.deepEqual(world.events, []);
  post.answer(200, 'OK', 'ok');

  const say = (message) => `4{"event":"say","room":"r","message":${message}}`;
  assert.deepEqual(world.socket.frames, ['2probe', '5', say(2), '3', say(3)]);
  assert.deepEqual(world.events, ['transport: ws']);
  assert.equal(client.transport, 'ws');
  world.socket.frame('4{"n":3}');
  world.socket.frame(new ArrayBuffer(1)); // nobody sends us binary; it would be ignored
  world.socket.frame('2');
  client.say('r', 4, () => {});
  world.clock.advance(0);
  assert.deepEqual(world.socket.frames.slice(5), ['3', say(4)]);
  assert.deepEqual(heard, [1, 2, 3]);
  assert.deepEqual([...world.polls('GET'), ...world.polls('POST')], []);
});

for (const [what, fail] of [
  ['is refused', (world) => world.socket.drop()],
  ['closes before it is answered', (world) => { world.socket.accept(); world.socket.drop(); }],
  ['stays closed', (world) => world.clock.advance(4000)],
  ['is not answered', (world) => { world.socket.accept(); world.clock.advance(4000); }],
  ['is answered wrongly', (world) => { world.socket.accept(); world.socket.frame('0{}'); }],
]) {
  test(`a probe that ${what} leaves polling untouched`, () => {
    const [world, client] = polling();
    const { held } = world;
    world.clock.advance(30000);
    fail(world);
    assert.equal(world.held, held);
    assert.deepEqual(world.events, []);
    client.say('r', 'x', () => {});
    assert.deepEqual(world.posted(), ['4{"event":"say","room":"r","message":"x"}']);
    assert.equal(client.transport, 'polling');
    const probe = world.socket;
    assert.ok(probe.closed || !probe.frames.length || what.startsWith('closes'));
    // A late answer changes nothing.
    probe.frame('3probe');
    assert.equal(world.held, held);
  });
}

for (const [what, fail] of [['breaks', (world) => world.socket.drop()], ['takes too long', (world) => world.clock.advance(4000)]]) {
  test(`an upgrade that ${what} while polling pauses: polling goes on where it was`, () => {
    const [world, client] = probed();
    client.say('r', 1, () => {});
    world.clock.advance(0);
    assert.deepEqual(world.polls('POST'), []);
    fail(world);
    assert.deepEqual(world.posted(), ['4{"event":"say","room":"r","message":1}']);
    world.held.packets('2');
    assert.deepEqual(world.posted(), ['3']);
    assert.deepEqual(world.events, []);
    assert.ok(!world.socket.frames.includes('5'));
  });

  test(`an upgrade that ${what} when polling has paused: polling begins again`, () => {
    const [world, client] = polling();
    world.clock.advance(30000);
    client.say('r', 1, () => {});
    world.clock.advance(0);
    world.socket.accept();
    world.socket.frame('3probe');
    world.held.packets('6');
    assert.deepEqual(world.polls('GET'), []);
    fail(world);
    world.held.packets('4{}');
    assert.equal(world.polls('POST').length, 1);
    assert.deepEqual(world.events, []);
  });
}

test('a constructor that throws is a failed probe', () => {
  const [world] = polling({}, { pingTimeout: 1e9 });
  world.refuse = 'blocked';
  world.clock.advance(30000);
  world.refuse = null;
  world.clock.advance(59999);
  assert.equal(world.sockets.length, 0);
  world.clock.advance(1);
  assert.equal(world.sockets.length, 1);
  assert.deepEqual(world.events, []);
});

test('probes come with doubled delays, half an hour at most', () => {
  const [world] = polling({ pingTimeout: 0 }, { pingTimeout: 1e9 });
  const waits = [];
  for (let count = 1; count < 10; count++) {
    const start = world.clock.now;
    while (world.sockets.length < count) world.clock.advance(world.clock.wait);
    waits.push((world.clock.now - start) / 1000);
    world.socket.drop();
  }
  assert.deepEqual(waits, [30, 60, 120, 240, 480, 960, 1800, 1800, 1800]);
});

for (const [what, options, hello] of [
  ['the server offers none', {}, { upgrades: [] }],
  ['polling was wished for first', { transports: ['polling', 'ws'] }],
  ['WebSocket is not wished for', { transports: ['polling'] }],
]) {
  test(`no upgrade where ${what}`, () => {
    const world = new World({}, BOTH);
    const client = world.client({ pingTimeout: 0, ...options });
    client.connect(() => {});
    if (world.sockets.length) world.socket.drop();
    world.establish({ pingTimeout: 1e9, ...hello });
    world.sockets.length = 0;
    world.clock.advance(1e7);
    assert.equal(client.transport, 'polling');
    assert.equal(world.sockets.length, 0);
  });
}

test('the loss of the polling link ends the probe', () => {
  const [world] = polling();
  world.clock.advance(30000);
  world.socket.accept();
  world.held.answer(0, '', '');
  assert.ok(world.socket.closed);
  const probe = world.socket;
  probe.frame('3probe');
  probe.drop();
  assert.deepEqual(world.polls('GET'), []);
  assert.deepEqual(world.events, ['error: polling: GET answered 0 ', 'disconnected']);
});

test('disconnect during the probe, or before it, leaves nothing behind', () => {
  for (const wait of [0, 30000]) {
    const [world, client] = polling();
    world.clock.advance(wait);
    client.disconnect();
    assert.deepEqual(world.posted(), ['1']);
    assert.ok(world.sockets.every((socket) => socket.closed));
    assert.equal(world.clock.timers.size, 0);
  }
});

test('disconnect while polling pauses still says what was to be said', () => {
  const [world, client] = probed();
  client.say('r', 1, () => {});
  client.disconnect();
  assert.deepEqual(world.posted(), ['4{"event":"say","room":"r","message":1}', '1']);
  assert.ok(world.socket.closed);
  assert.equal(world.clock.timers.size, 0);
});

test('after the upgrade the link ends as that of a socket does', () => {
  const [world, client] = upgraded();
  world.socket.drop(1006);
  assert.deepEqual(world.events, ['disconnected']);
  assert.equal(client.transport, null);
  // WebSocket is open again, so the next connection begins with it.
  const { length } = world.requests;
  world.clock.advance(250);
  world.socket.accept();
  world.socket.details(1);
  assert.equal(client.transport, 'ws');
  assert.equal(world.requests.length, length);
});

test('after the upgrade silence still counts, as do close packets and disconnect', () => {
  const [silent] = upgraded();
  silent.clock.advance(44999);
  silent.socket.frame('2');
  silent.clock.advance(44999);
  assert.deepEqual(silent.events, []);
  silent.clock.advance(1);
  assert.ok(silent.socket.closed);
  assert.deepEqual(silent.events, ['error: nothing heard for 45000 ms', 'disconnected']);

  const [closed] = upgraded();
  closed.socket.frame('1');
  assert.ok(closed.socket.closed);
  assert.deepEqual(closed.events, ['disconnected']);

  const [ended, client] = upgraded();
  client.disconnect();
  assert.ok(ended.socket.closed);
  ended.socket.frame('2');
  ended.socket.drop();
  assert.deepEqual(ended.socket.frames, ['2probe', '5']);
  assert.deepEqual(ended.events, ['disconnected']);
  assert.deepEqual([...ended.polls('GET'), ...ended.polls('POST')], []);
  assert.equal(ended.clock.timers.size, 0);
});

test('an upgrade before the rooms are restored is told with the connection', () => {
  const world = new World({}, BOTH);
  const client = world.client({ upgradeDelay: 0 });
  client.on('transport', (name) => world.events.push(`transport: ${name}`));
  client.connect(() => {});
  world.socket.drop();
  world.held.packets('0{"sid":"S","upgrades":["websocket"],"pingInterval":1,"pingTimeout":99999,"maxPayload":1000}');
  assert.deepEqual(world.posted(), ['4{"event":"detailsView"}']);
  world.socket.accept();
  world.socket.frame('3probe');
  world.held.packets('6');
  world.socket.frame('4{"context":"response","status":"OK","messageCount":1,"data":{"id":"x","rooms":[]}}');
  assert.deepEqual(world.events, ['connected', 'transport: ws']);
  assert.equal(client.transport, 'ws');
});
