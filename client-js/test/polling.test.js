'use strict';

// Long polling, request by request: the server is in the test's hand.

const { test } = require('node:test');
const assert = require('node:assert/strict');
const { World, HELLO, DETAILS } = require('./support/world');

const WELCOME = '4{"welcome":"hi","context":"api"}';

function connected(options, hello) {
  const world = new World({ WebSocket: undefined }, ['polling']);
  const client = world.client(options);
  client.connect(() => {});
  world.establish(hello);
  assert.equal(client.state, 'connected');
  world.events.length = 0;
  return [world, client];
}

function under(world) {
  return [...world.polls('GET'), ...world.polls('POST')].map((request) => request.method);
}

test('the opening goes to the engine.io door, with the cookie; the calls wait for its answer', () => {
  const document = { cookie: 'sessionID=a b' };
  const world = new World({ document, WebSocket: undefined }, ['polling']);
  const client = world.client({ rooms: ['a'] });
  client.connect(() => {});
  assert.equal(client.transport, null);
  world.clock.advance(0);
  assert.deepEqual(under(world), ['GET']);
  assert.match(world.held.url, /^https:\/\/example\.org\/primus\/\?EIO=4&transport=polling&_primuscb=[0-9a-z]+&sessionID=a%20b&t=0$/);

  world.held.packets(`0${JSON.stringify(HELLO)}`);
  assert.match(world.held.url, /&sid=S&/);
  assert.deepEqual(world.posted(), ['4{"event":"roomAdd","room":"a"}']);
  world.held.packets(WELCOME, '4{"context":"response","status":"OK","messageCount":1,"data":true}');
  assert.deepEqual(world.posted(), ['4{"event":"detailsView"}']);
  assert.equal(client.state, 'disconnected');
  world.held.packets(DETAILS.replace('"messageCount":1', '"messageCount":2'));
  assert.equal(client.state, 'connected');
  assert.equal(client.transport, 'polling');
  assert.equal(client.welcomeMessage, 'hi');
  assert.deepEqual(world.events, ['connected']);

  const urls = world.requests.map((request) => request.url);
  assert.equal(new Set(urls).size, urls.length);
});

test('one GET is held, whatever comes with the last one', () => {
  const [world, client] = connected();
  const heard = [];
  client.on('say', (packet) => heard.push(packet.message));
  client.on('message', (packet) => assert.equal(typeof packet, 'object'));
  const said = (message) => `4${JSON.stringify({ context: 'user', room: 'r', message })}`;
  world.held.packets(said(1), said('\u2028 \u{1F600}'), '6', 'bAQIDBA==', said(3));
  world.held.packets('6');
  world.held.packets(said(4));
  assert.deepEqual(heard, [1, '\u2028 \u{1F600}', 3, 4]);
  assert.deepEqual(under(world), ['GET']);
  assert.deepEqual(world.events, []);
});

test('a ping is answered in kind, those of Primus in theirs', () => {
  const [world] = connected();
  world.held.packets('2', '4"primus::ping::17"');
  assert.deepEqual(world.posted(), ['3', '4"primus::pong::17"']);
  world.held.packets('2probe');
  assert.deepEqual(world.posted(), ['3probe']);
});

test('a burst of calls leaves in one POST, what follows while it is under way in the next', () => {
  const [world, client] = connected();
  for (const message of [1, 2, 3]) client.say('r', message, () => {});
  assert.deepEqual(world.polls('POST'), []);
  world.clock.advance(0);
  const [first] = world.polls('POST');
  assert.deepEqual(first.body.split('\x1e').map((packet) => JSON.parse(packet.slice(1)).message), [1, 2, 3]);
  assert.equal(first.headers['Content-Type'], 'text/plain');

  for (const message of [4, 5]) client.say('r', message, () => {});
  world.clock.advance(1000);
  client.say('r', 6, () => {});
  world.clock.advance(1000);
  assert.deepEqual(world.polls('POST'), [first]);
  first.answer(200, 'OK', 'ok');
  assert.deepEqual(world.posted().map((packet) => JSON.parse(packet.slice(1)).message), [4, 5, 6]);
  world.clock.advance(1000);
  assert.deepEqual(under(world), ['GET']);
});

test('no POST is larger than the server allows, unless a packet is', () => {
  const [world, client] = connected({}, { maxPayload: 134 });
  const bodies = [];
  // 66 and 67 bytes fit with their separator, 67 and 67 do not.
  const empty = '4{"messageId":"~2","event":"say","room":"r","message":""}'.length;
  const texts = ['a'.repeat(66 - empty), 'b'.repeat(67 - empty), 'c'.repeat(67 - empty), 'd'.repeat(67 - empty),
    'ä€😀', '😀'.repeat(10), 'e'.repeat(300), 'f', 'g'];
  for (const text of texts) client.say('r', text, () => {});
  world.clock.advance(0);
  while (world.polls('POST').length) {
    const [post] = world.polls('POST');
    bodies.push(post.body);
    post.answer(200, 'OK', 'ok');
    world.clock.advance(0);
  }
  assert.deepEqual(bodies.flatMap((body) => body.split('\x1e')).map((packet) => JSON.parse(packet.slice(1)).message), texts);
  const sizes = bodies.map((body) => Buffer.byteLength(body));
  assert.equal(sizes[0], 134);
  assert.deepEqual(sizes.filter((size) => size > 134), [empty + 300]);
  assert.equal(bodies.length, 7);
});

test('a close packet is a loss: what came before it counts, the rest does not', () => {
  const [world, client] = connected();
  const heard = [];
  client.on('api', (packet) => heard.push(packet.n));
  client.say('r', 'x', (error) => world.events.push(`call: ${error.message}`));
  world.held.packets('4{"n":1}', '1', '4{"n":2}');
  assert.deepEqual(heard, [1]);
  assert.deepEqual(world.events, ['disconnected', 'call: connection lost']);
  assert.deepEqual(under(world), []);
  assert.equal(client.transport, null);
  world.clock.advance(250);
  assert.equal(client.state, 'reconnecting');
  assert.equal(world.held.url.includes('sid='), false);
});

test('a farewell of the server with its close packet ends all at once: nothing is posted or held any more', () => {
  const [world] = connected();
  world.held.packets('4"primus::server::close"', '1');
  assert.deepEqual(world.events, ['disconnected']);
  world.clock.advance(0);
  assert.deepEqual(world.polls('POST'), []);
  assert.deepEqual(under(world), []);
  assert.equal(world.clock.timers.size, 0);
});

test('a farewell without the close packet: the session is closed', () => {
  const [world] = connected();
  world.held.packets('4"primus::server::close"');
  assert.deepEqual(world.events, ['disconnected']);
  assert.deepEqual(world.posted(), ['1']);
  assert.deepEqual(under(world), []);
});

test('a message may end the link: what came with it is not raised', () => {
  const [world, client] = connected();
  const heard = [];
  client.on('api', (packet) => {
    heard.push(packet.n);
    client.disconnect();
  });
  world.held.packets('4{"n":1}', '4{"n":2}', '2');
  assert.deepEqual(heard, [1]);
  assert.deepEqual(world.posted(), ['1']);
  assert.deepEqual(world.events, ['disconnected']);
});

for (const [method, status, body, message] of [
  ['GET', 400, '{"code":1,"message":"Session ID unknown"}', 'polling: GET answered 400 {"code":1,"message":"Session ID unknown"}'],
  ['GET', 502, `<html>${'x'.repeat(1000)}`, `polling: GET answered 502 <html>${'x'.repeat(194)}`],
  ['GET', 0, '', 'polling: GET answered 0 '],
  ['POST', 413, '', 'polling: POST answered 413 '],
  ['POST', 400, '{"code":3,"message":"Bad request"}', 'polling: POST answered 400 {"code":3,"message":"Bad request"}'],
  ['POST', 0, '', 'polling: POST answered 0 '],
  ['GET', 200, '<html>a gateway', 'polling: GET answered 200 <html>a gateway'],
  ['GET', 200, '', 'polling: GET answered 200 '],
]) {
  test(`a ${method} answered ${status} ${body.slice(0, 10)} ends the link, and says why`, () => {
    const [world, client] = connected();
    client.say('r', 'x', () => {});
    world.clock.advance(0);
    const [request] = world.polls(method);
    const [other] = world.polls(method === 'GET' ? 'POST' : 'GET');
    request.answer(status, '', body);
    assert.deepEqual(world.events, [`error: ${message}`, 'disconnected']);
    assert.ok(other.isAborted);
    assert.deepEqual(under(world), []);
    world.clock.advance(250);
    assert.equal(client.state, 'reconnecting');
    world.establish();
    assert.equal(client.state, 'connected');
  });
}

for (const [status, body] of [[503, '{"code":4,"message":"too many sessions"}'], [200, '<html>'], [200, '6'], [200, '0{'], [0, '']]) {
  test(`an opening answered ${status} ${body.slice(0, 10)} fails, and is tried again`, () => {
    const world = new World({ WebSocket: undefined }, ['polling']);
    const client = world.client();
    const errors = [];
    client.connect((error) => errors.push(error.message));
    world.held.answer(status, '', body);
    assert.deepEqual(errors, [`polling: GET answered ${status} ${body}`]);
    assert.deepEqual(under(world), []);
    world.clock.advance(250);
    world.establish();
    assert.equal(client.state, 'connected');
  });
}

test('silence ends the link after the time that the server gave, and any answer is a sign of life', () => {
  const [world, client] = connected({ pingTimeout: 0 });
  world.clock.advance(44999);
  world.held.packets('6');
  world.clock.advance(44999);
  world.held.packets('2');
  world.posted();
  const { held } = world;
  world.clock.advance(44999);
  assert.equal(client.state, 'connected');
  world.clock.advance(1);
  assert.deepEqual(world.events, ['error: nothing heard for 45000 ms', 'disconnected']);
  assert.deepEqual(world.polls('POST').map((request) => request.body), ['1']);
  world.clock.advance(5000);
  assert.ok(held.isAborted);
});

test('what was said before disconnect still leaves; the held GET is dropped after it', () => {
  const [world, client] = connected();
  const { held } = world;
  client.say('r', 'first', () => {});
  world.clock.advance(0);
  const [post] = world.polls('POST');
  client.say('r', 'last', () => {});
  client.disconnect();
  world.clock.advance(0);
  assert.deepEqual(world.polls('POST'), [post]);
  post.answer(200, 'OK', 'ok');
  assert.equal(held.isAborted, undefined);
  assert.deepEqual(world.posted(), ['4{"event":"say","room":"r","message":"last"}', '1']);
  assert.ok(held.isAborted);
  assert.deepEqual(world.events, ['disconnected']);
  assert.equal(world.clock.timers.size, 0);
});

test('a farewell that finds no server is given up', () => {
  for (const ending of [(world) => world.clock.advance(5000), (world) => world.polls('POST')[0].answer(0, '', '')]) {
    const [world, client] = connected();
    client.disconnect();
    assert.deepEqual(under(world), ['GET', 'POST']);
    ending(world);
    assert.deepEqual(under(world), []);
    assert.deepEqual(world.events, ['disconnected']);
    assert.equal(world.clock.timers.size, 0);
  }
});

test('a session that opens after disconnect is closed', () => {
  const world = new World({ WebSocket: undefined }, ['polling']);
  const client = world.client();
  client.connect(() => {});
  client.disconnect();
  world.held.packets(`0${JSON.stringify(HELLO)}`, '4{"n":1}');
  assert.deepEqual(under(world), ['POST']);
  assert.deepEqual(world.posted(), ['1']);
  assert.deepEqual(under(world), []);
  assert.deepEqual(world.events, ['disconnected']);
  assert.equal(world.clock.timers.size, 0);
});

test('without XMLHttpRequest there is no long polling; one that refuses is final', () => {
  for (const [XMLHttpRequest, message] of [
    [undefined, 'no transport of this script works here'],
    [function Request() { throw new Error('blocked'); }, 'blocked'],
  ]) {
    const world = new World({ XMLHttpRequest, WebSocket: undefined }, ['polling']);
    world.client().connect(() => {});
    world.clock.advance(1e9);
    assert.deepEqual(world.events, [`error: ${message}`]);
  }
});
