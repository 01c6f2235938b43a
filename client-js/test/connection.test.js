'use strict';

// The life of a connection, with a clock and sockets in the test's hand.

const { test } = require('node:test');
const assert = require('node:assert/strict');
const { World } = require('./support/world');

test('the address is that of the page, the cookie goes along', () => {
  const document = { cookie: 'other=1; sessionID=a b; xsessionID=no' };
  const world = new World({ document });
  new world.Client().connect(() => {});
  assert.match(world.socket.url, /^wss:\/\/example\.org\/primus\?_primuscb=[0-9a-z]+&sessionID=a%20b$/);
});

test('the address comes from the options, with another cookie name, and without a cookie', () => {
  const world = new World({ document: { cookie: 'sid=7' } });
  new world.Client({ url: 'http://host:1/', path: '/p', cookieKey: 'sid' }).connect(() => {});
  assert.match(world.socket.url, /^ws:\/\/host:1\/p\?_primuscb=[0-9a-z]+&sessionID=7$/);
  new world.Client().connect(() => {});
  assert.match(world.socket.url, /\?_primuscb=[0-9a-z]+$/);
});

test('a page that may not read cookies connects all the same', () => {
  const world = new World({ document: { get cookie() { throw new Error('sandboxed'); } } });
  new world.Client().connect(() => {});
  assert.equal(world.sockets.length, 1);
});

test('outside a page the address is local', () => {
  const world = new World({ location: undefined, document: undefined });
  new world.Client().connect(() => {});
  assert.match(world.socket.url, /^ws:\/\/127\.0\.0\.1:8080\/primus\?_primuscb=[0-9a-z]+$/);
});

test('the socket constructor can be given in two ways', () => {
  const world = new World({ WebSocket: undefined });
  const opened = [];
  function Given(name) {
    return function (url) { opened.push(name, url.slice(0, 5)); };
  }
  new world.Client({}, Given('argument')).connect(() => {});
  new world.Client({ WebSocket: Given('option') }).connect(() => {});
  assert.deepEqual(opened, ['argument', 'wss:/', 'option', 'wss:/']);
});

test('connect joins rooms, asks for details, and only then is connected', () => {
  const world = new World();
  const client = world.client({ rooms: ['a', 'b'] });
  let answer;
  client.connect((error, details) => {
    answer = { error, details, state: client.state };
    world.events.push('callback');
  });
  world.socket.accept();
  assert.deepEqual(world.socket.packets, [{ event: 'roomAdd', room: 'a' }, { event: 'roomAdd', room: 'b' }]);
  world.socket.respond(2, { data: true });
  assert.equal(world.socket.packets.length, 2);
  world.socket.respond(1, { data: true });
  assert.deepEqual(world.socket.packets[2], { event: 'detailsView' });
  assert.equal(client.state, 'disconnected');
  world.socket.details(3, { id: 'x', fingerprint: 'f', rooms: ['a', 'b'] });

  assert.equal(answer.error, null);
  assert.equal(answer.details.context, 'response');
  assert.equal(answer.details.id, 'x');
  assert.equal(answer.details.data.id, 'x');
  assert.equal(answer.state, 'connected');
  assert.equal(client.details, answer.details);
  assert.deepEqual([client.id, client.fingerprint, client.rooms], ['x', 'f', ['a', 'b']]);
  assert.deepEqual(world.events, ['callback', 'connected']);
});

test('a refused first connection fails once, then goes on trying', () => {
  const world = new World();
  const client = world.client();
  const answers = [];
  client.connect((error, details) => answers.push([error.message, details]));
  world.socket.onerror({ message: 'ECONNREFUSED' });
  world.socket.drop();
  assert.deepEqual(answers, [['ECONNREFUSED', undefined]]);
  assert.deepEqual(world.events, ['error: ECONNREFUSED']);
  assert.equal(client.state, 'disconnected');

  world.clock.advance(250);
  assert.equal(client.state, 'reconnecting');
  world.socket.accept();
  world.socket.details(1);
  assert.deepEqual(world.events, ['error: ECONNREFUSED', 'reconnecting', 'connected']);
  assert.equal(client.state, 'connected');
  assert.equal(answers.length, 1);
});

test('a promise rejects once', async () => {
  const world = new World();
  const promise = world.client().connect();
  world.socket.drop(1013, 'full');
  await assert.rejects(promise, { message: 'connection failed (1013 full)' });
});

test('reconnect: false tries once, and does not come back after a loss', () => {
  const world = new World();
  const client = world.client({ reconnect: false });
  client.connect(() => {});
  world.socket.drop();
  client.connect(() => {});
  world.socket.accept();
  world.socket.details(1);
  world.socket.drop();
  assert.deepEqual(world.events, ['error: connection failed (1006)', 'connected', 'disconnected']);
  world.clock.advance(1e9);
  assert.equal(world.sockets.length, 2);
  assert.equal(client.state, 'disconnected');
});

test('a connection that takes too long raises timeout', () => {
  const world = new World();
  const client = world.client();
  const answers = [];
  client.connect((error) => answers.push(error.message));
  world.clock.advance(9999);
  assert.deepEqual(answers, []);
  world.clock.advance(1);
  assert.deepEqual(answers, ['no connection within 10000 ms']);
  assert.deepEqual(world.events, ['timeout', 'error: no connection within 10000 ms']);
  assert.equal(client.state, 'timeout');
  assert.ok(world.socket.closed);

  world.clock.advance(250);
  assert.equal(client.state, 'reconnecting');
  world.clock.advance(29999);
  assert.equal(client.state, 'reconnecting');
  world.clock.advance(1);
  assert.equal(client.state, 'timeout');
});

test('what an abandoned socket still says is ignored', () => {
  const world = new World();
  const client = world.client();
  client.connect(() => {});
  const first = world.socket;
  world.clock.advance(10000);
  first.accept();
  first.drop();
  assert.equal(client.state, 'timeout');
  assert.deepEqual(first.frames, []);
  world.clock.advance(250);
  assert.equal(world.sockets.length, 2);
});

test('a loss raises its events in order, restores rooms, and starts the numbers again', () => {
  const world = new World();
  const client = world.connected({}, ['a', 'b']);
  const states = [];
  ['disconnected', 'reconnecting', 'reconnect', 'connected'].forEach((event) => {
    client.on(event, () => states.push(client.state));
  });
  client.say('a', 'x', () => {});
  assert.equal(client.messageCount, 2);
  world.socket.drop();
  assert.deepEqual(client.rooms, ['a', 'b']);
  world.clock.advance(250);
  world.socket.accept();
  assert.deepEqual(world.socket.packets, [{ event: 'roomAdd', room: 'a' }, { event: 'roomAdd', room: 'b' }]);
  world.socket.respond(1, { data: true });
  world.socket.respond(2, { data: true });
  world.socket.details(3, { id: 'second', rooms: ['a', 'b'] });
  assert.deepEqual(world.events, ['disconnected', 'reconnecting', 'reconnect', 'connected']);
  assert.deepEqual(states, ['disconnected', 'reconnecting', 'reconnecting', 'connected']);
  assert.equal(client.id, 'second');
  assert.equal(client.details.id, 'second');
  client.say('a', 'x', () => {});
  assert.equal(client.messageCount, 4);
});

test('disconnected comes once per loss, reconnecting per attempt', () => {
  const world = new World();
  world.connected({ reconnect: { min: 10, max: 10 } });
  world.socket.drop();
  for (let attempt = 0; attempt < 3; attempt++) {
    world.clock.advance(5);
    world.socket.drop();
  }
  assert.equal(world.events.filter((event) => event === 'disconnected').length, 1);
  assert.equal(world.events.filter((event) => event === 'reconnecting').length, 3);
});

test('a connection lost while rooms are restored counts as a failed attempt', () => {
  const world = new World();
  const client = world.connected({}, ['a']);
  world.socket.drop();
  world.clock.advance(250);
  world.socket.accept();
  world.socket.drop();
  assert.equal(client.state, 'reconnecting');
  assert.deepEqual(client.rooms, ['a']);
  world.clock.advance(500);
  world.socket.accept();
  assert.deepEqual(world.socket.packets, [{ event: 'roomAdd', room: 'a' }]);
});

test('delays have full jitter from the first try on, grow, and stay below the maximum', () => {
  const world = new World();
  world.random = 0.999999;
  world.connected();
  const waits = [];
  for (let attempt = 0; attempt < 9; attempt++) {
    world.socket.drop();
    waits.push(Math.round(world.clock.wait));
    world.clock.advance(world.clock.wait);
  }
  assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
  world.random = 0;
  world.socket.drop();
  assert.equal(world.clock.wait, 0);
});

test('a hint of the server is the next delay, once', () => {
  const world = new World();
  const client = world.connected();
  world.socket.frame('"primus::server::retry::123456"');
  world.socket.drop(1001, 'server is going away');
  assert.deepEqual(world.events, ['disconnected']);
  assert.equal(world.clock.wait, 123456);
  world.clock.advance(123456);
  assert.equal(client.state, 'reconnecting');
  world.socket.drop();
  assert.equal(world.clock.wait, 500, 'from here on as always');
});

test('a hint counts for its own connection only, and none of it is a message', () => {
  const world = new World();
  const client = world.connected();
  client.on('message', () => assert.fail('it is not told'));
  for (const hint of ['soon', '', '-1', '1.5', '1 ']) world.socket.frame(JSON.stringify(`primus::server::retry::${hint}`));
  world.socket.drop();
  assert.equal(world.clock.wait, 250);
  world.clock.advance(250);
  world.socket.frame('"primus::server::retry::5000"');
  client.disconnect();
  client.removeAllListeners('message');
  client.connect(() => {});
  world.socket.drop();
  assert.ok(world.clock.wait < 500);
});

test('a hint that no timer can hold is a long wait, and none at all is no wait', () => {
  for (const [hint, wait] of [['9'.repeat(400), 2 ** 31 - 1], ['0', 0]]) {
    const world = new World();
    world.connected();
    world.socket.frame(`"primus::server::retry::${hint}"`);
    world.socket.drop();
    assert.equal(world.clock.wait, wait);
  }
});

test('a connection that came back starts the delays again', () => {
  const world = new World();
  world.connected();
  for (let attempt = 0; attempt < 5; attempt++) {
    world.socket.drop();
    world.clock.advance(world.clock.wait);
  }
  world.socket.accept();
  world.socket.details(1);
  world.clock.advance(10000);
  world.socket.drop();
  assert.equal(world.clock.wait, 250);
});

test('a connection that breaks at once does not start the delays again', () => {
  const world = new World();
  world.connected();
  for (let attempt = 0; attempt < 3; attempt++) {
    world.socket.drop();
    world.clock.advance(world.clock.wait);
    world.socket.accept();
    world.socket.details(1);
  }
  world.socket.drop();
  assert.equal(world.clock.wait, 250 * 2 ** 3);
});

test('after the given number of attempts it gives up, and says so', () => {
  const world = new World();
  const client = world.connected({ reconnect: { retries: 2 } });
  world.socket.drop();
  world.clock.advance(1e4);
  world.socket.drop();
  world.clock.advance(1e4);
  assert.equal(client.state, 'reconnecting');
  world.socket.drop();
  assert.equal(client.state, 'disconnected');
  assert.equal(world.events.pop(), 'error: gave up after 2 attempts to reconnect');
  world.clock.advance(1e9);
  world.fire('online');
  assert.equal(world.sockets.length, 3);
});

test('an address that is refused at once is final', () => {
  const world = new World();
  const client = world.client();
  const answers = [];
  world.refuse = 'insecure';
  client.connect((error) => answers.push(error.message));
  assert.deepEqual(answers, []);
  world.clock.advance(1e9);
  assert.deepEqual(answers, ['insecure']);
  assert.deepEqual(world.events, ['error: insecure']);
  assert.equal(client.state, 'disconnected');
});

test('without a usable transport connect fails', () => {
  for (const [globals, options] of [[{ WebSocket: undefined }, {}], [{}, { transports: ['constructor', 'other'] }]]) {
    const world = new World(globals);
    const answers = [];
    world.client(options).connect((error) => answers.push(error.message));
    world.clock.advance(0);
    assert.deepEqual(answers, ['no transport of this script works here']);
  }
});

test('disconnect is final, and raises disconnected once', () => {
  const world = new World();
  const client = world.connected({}, ['a']);
  client.disconnect();
  assert.ok(world.socket.closed);
  assert.equal(client.state, 'disconnected');
  assert.deepEqual(client.rooms, []);
  world.socket.drop();
  client.disconnect();
  world.clock.advance(1e9);
  assert.deepEqual(world.events, ['disconnected']);
  assert.equal(world.sockets.length, 1);
  assert.equal(world.clock.timers.size, 0);
  assert.deepEqual(world.network, { online: [], offline: [], pagehide: [], pageshow: [] });
});

test('disconnect ends the attempts to reconnect', () => {
  const world = new World();
  const client = world.connected();
  world.socket.drop();
  world.clock.advance(250);
  client.disconnect();
  world.clock.advance(1e9);
  assert.equal(client.state, 'disconnected');
  assert.equal(world.sockets.length, 2);
  assert.deepEqual(world.events, ['disconnected', 'reconnecting', 'disconnected']);
});

test('disconnect from within each event stops everything', () => {
  for (const event of ['disconnected', 'error', 'reconnecting', 'reconnect', 'timeout', 'connected']) {
    const world = new World();
    const client = world.client({ reconnect: { min: 0 } });
    let raised = 0;
    client.on(event, () => {
      raised++;
      client.disconnect();
    });
    client.connect(() => {});
    if (event === 'error') world.socket.drop();
    if (event === 'timeout') world.clock.advance(10000);
    if (!world.socket.closed) world.socket.accept();
    if (!world.socket.closed) world.socket.details(1);
    if (!world.socket.closed) world.socket.drop();
    world.clock.advance(0);
    if (!world.socket.closed && world.sockets.length > 1) world.socket.accept();
    world.clock.advance(1e9);
    // Twice for `disconnected`: once for the loss, once for the end of the attempts.
    assert.equal(raised, event === 'disconnected' ? 2 : 1, event);
    assert.equal(client.state, 'disconnected', event);
    assert.equal(world.clock.timers.size, 0, event);
    assert.equal(world.uncaught.length, 0, event);
  }
});

test('disconnect from reconnect leaves the rooms alone', () => {
  const world = new World();
  const client = world.connected({}, ['a']);
  client.on('reconnect', () => client.disconnect());
  world.socket.drop();
  world.clock.advance(250);
  world.socket.accept();
  assert.deepEqual(world.socket.frames, []);
  assert.equal(client.state, 'disconnected');
});

test('disconnect from the callback of connect: no connected event', () => {
  const world = new World();
  const client = world.client();
  client.connect(() => client.disconnect());
  world.socket.accept();
  world.socket.details(1);
  assert.deepEqual(world.events, ['disconnected']);
});

test('disconnect from the error of a loss: one disconnected event', () => {
  const world = new World();
  const client = world.connected();
  client.on('error', () => client.disconnect());
  world.socket.onerror({ message: 'broken' });
  world.socket.drop();
  world.clock.advance(1e9);
  assert.deepEqual(world.events, ['error: broken', 'disconnected']);
});

test('a deliberate close of the server is final', () => {
  const world = new World();
  const client = world.connected();
  const seen = [];
  client.on('message', (packet) => seen.push(packet));
  world.socket.frame('"primus::server::close"');
  world.socket.drop(1000);
  world.clock.advance(1e9);
  assert.deepEqual(world.events, ['disconnected']);
  assert.deepEqual(seen, []);
  assert.equal(world.sockets.length, 1);
});

test('connect again replaces the connection and keeps its rooms', () => {
  const world = new World();
  const client = world.connected({ rooms: ['a'] }, ['a', 'b']);
  const first = world.sockets[0];
  const answers = [];
  client.detailsView((error) => answers.push(error.message));
  client.connect(() => {});
  assert.ok(first.closed);
  assert.deepEqual(world.events, ['disconnected']);
  assert.deepEqual(answers, ['replaced by another connect()']);
  first.push({ context: 'user', message: 'late', room: 'a' });
  world.socket.accept();
  assert.deepEqual(world.socket.packets.map((packet) => packet.room), ['a', 'b']);
  assert.equal(world.network.online.length, 1);
});

test('connect from within a lost call or an event leaves one connection', () => {
  const world = new World();
  const client = world.connected();
  client.on('disconnected', () => client.connect(() => {}));
  client.say('a', 'x', () => client.connect(() => {}));
  world.socket.drop();
  world.clock.advance(9000);
  assert.equal(world.sockets.filter((socket) => !socket.closed).length, 1);
});

test('pings are answered, neither counted nor raised; unknown control messages are ignored', () => {
  const world = new World();
  const client = world.connected();
  const seen = [];
  client.on('message', (packet) => seen.push(packet));
  world.socket.frame('"primus::ping::1465829985123"');
  world.socket.frame('"primus::id::abc"');
  world.socket.frame('"primus::whatever"');
  assert.deepEqual(world.socket.frames.slice(1), ['"primus::pong::1465829985123"']);
  assert.deepEqual(seen, []);
  assert.equal(client.messageCount, 1);
});

test('silence means loss, any frame means life', () => {
  const world = new World();
  const client = world.connected();
  world.clock.advance(44999);
  world.socket.push({ context: 'api' });
  world.clock.advance(44999);
  assert.equal(client.state, 'connected');
  world.clock.advance(1);
  assert.equal(client.state, 'disconnected');
  assert.ok(world.socket.closed);
  assert.deepEqual(world.events, ['error: nothing heard for 45000 ms', 'disconnected']);
  world.clock.advance(250);
  assert.equal(client.state, 'reconnecting');
});

test('pingTimeout: 0 waits for ever', () => {
  const world = new World();
  const client = world.connected({ pingTimeout: 0 });
  world.clock.advance(1e9);
  assert.equal(client.state, 'connected');
});

test('offline is a loss, online tries at once', () => {
  const world = new World();
  const client = world.connected();
  world.fire('offline');
  assert.equal(client.state, 'disconnected');
  assert.ok(world.socket.closed);
  assert.deepEqual(world.events, ['error: the network is offline', 'disconnected']);
  world.fire('online');
  assert.equal(client.state, 'reconnecting');
  assert.equal(world.sockets.length, 2);
  world.fire('online');
  world.clock.advance(20000);
  assert.equal(world.sockets.length, 2);
});

test('a room that cannot be joined raises error and blocks nothing', () => {
  const world = new World();
  const client = world.client({ rooms: ['gone', 'already'] });
  client.connect(() => {});
  world.socket.accept();
  world.socket.respond(1, { status: 'no', error: { code: '019', message: 'Room (gone) does not exist' }, data: false });
  world.socket.respond(2, { status: 'in', error: { code: '017', message: 'already' }, data: false });
  world.socket.details(3, { rooms: ['already'] });
  assert.deepEqual(world.events, ['error: Room (gone) does not exist', 'connected']);
  assert.deepEqual(client.rooms, ['already']);
});

test('a room that is left while there is no connection is not joined again', () => {
  const world = new World();
  const client = world.connected({}, ['a', 'b', 'c']);
  const answers = [];
  client.roomLeave('a', (error) => answers.push(error.message));
  world.socket.drop();
  client.roomLeave('b', (error) => answers.push(error.message));
  world.clock.advance(250);
  assert.deepEqual(answers, ['connection lost (1006)', 'not connected']);
  world.socket.accept();
  assert.deepEqual(world.socket.packets, [{ event: 'roomAdd', room: 'c' }]);
});
