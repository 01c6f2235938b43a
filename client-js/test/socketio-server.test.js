'use strict';

// What is particular to socket.io, against npm `socket.io`: refusals, reasons, order during an upgrade, heartbeats.

const { test } = require('node:test');
const assert = require('node:assert/strict');
const Socket = require('ws');
const { SOCKETIO, load, variant } = require('./support/load');
const { Server } = require('./support/server');
const { limited, raised, until } = require('./support/wait');
const { requester } = require('./support/xhr');

const [OVER_WEBSOCKET, OVER_POLLING] = SOCKETIO;
const BURST = 50;

// A WebSocket is let in only as the continuation of a session.
const UPGRADING = { allowRequest: ({ url }, done) => done(null, !url.includes('transport=websocket')) };

// A server, and a way to make clients for it; all are ended with the test.
async function setUp(t, serve) {
  const server = await new Server('socket.io', serve).start();
  const XMLHttpRequest = requester();
  const Client = load({}, ...variant(SOCKETIO, true));
  const clients = [];
  t.after(async () => {
    clients.forEach((client) => client.disconnect());
    await server.stop();
    XMLHttpRequest.close();
  });
  const create = (options) => {
    const client = new Client({ url: server.url, XMLHttpRequest, reconnect: { min: 1, max: 20 }, ...options }, Socket);
    client.carriers = [];
    client.on('transport', (name) => client.carriers.push(name));
    clients.push(client);
    return client;
  };
  return { server, create, requests: XMLHttpRequest.requests };
}

// One message per number, from the server and to a room, in bursts, until `isEnough`.
async function talk(server, client, isEnough) {
  const heard = [];
  const pushed = [];
  const calls = [];
  let sent = 0;
  client.on('say', (packet) => heard.push(packet.message));
  client.on('api', (packet) => pushed.push(packet.n));
  while (!isEnough(sent)) {
    for (let n = 0; n < BURST; n++) {
      server.push({ context: 'weather', n: sent });
      calls.push(client.say('defaultRoom', sent++));
    }
    await new Promise(setImmediate);
  }
  await limited(Promise.all(calls), 'the answers');
  const numbers = Array.from({ length: sent }, (_, n) => n);
  assert.deepEqual(server.received.filter(({ event }) => event === 'say').map(({ message }) => message), numbers);
  assert.deepEqual(heard, numbers);
  assert.deepEqual(pushed, numbers);
}

for (const carrier of SOCKETIO) {
  test(`${carrier}: 10000 messages keep their order in both directions`, async (t) => {
    const { server, create } = await setUp(t);
    const client = create({ transports: [carrier], rooms: ['defaultRoom'], callTimeout: 0 });
    await client.connect();
    await talk(server, client, (sent) => sent >= 10000);
    assert.deepEqual(client.carriers, [carrier]);
  });

  test(`${carrier}: five heartbeats pass`, async (t) => {
    const { server, create } = await setUp(t, { pingInterval: 40, pingTimeout: 1000 });
    const client = create({ transports: [carrier] });
    await client.connect();
    const { id } = client;
    let pongs = 0;
    server.only.link.socket.on('heartbeat', () => pongs++);
    await until(() => pongs >= 5, 'five pongs');
    assert.equal(client.id, id);
    assert.equal(client.state, 'connected');
  });

  test(`${carrier}: disconnect leaves the namespace, and what was said before it arrives`, async (t) => {
    const { server, create } = await setUp(t);
    const client = create({ transports: [carrier] });
    await client.connect();
    const { socket } = server.only.link;
    const heard = [];
    // Below npm `socket.io`: it takes what comes in one turn in another order, the closing of the session first.
    socket.on('data', (text) => heard.push(text));
    client.say('otherRoom', 'last words', () => {});
    client.disconnect();
    await until(() => server.connections.size === 0, 'the end of the connection');
    assert.deepEqual(heard, ['2["message",{"messageId":"~2","event":"say","room":"otherRoom","message":"last words"}]', '1']);
    assert.equal(server.reason, carrier === OVER_POLLING ? 'transport close' : 'client namespace disconnect');
    await until(() => socket.readyState === 'closed', 'the end of the session');
  });

  test(`${carrier}: a refusal of CONNECT is told, and a later attempt gets in`, async (t) => {
    let ticket = false;
    const authorize = (socket, next) => {
      next(ticket ? undefined : Object.assign(new Error('no ticket'), { data: { status: 401 } }));
    };
    const { server, create } = await setUp(t, { authorize });
    const client = create({ transports: [carrier] });
    const back = raised(client, 'connected');
    const failed = raised(client, 'error');
    await assert.rejects(client.connect(), { message: 'no ticket' });
    const [error] = await failed;
    assert.deepEqual(error.packet.error, { message: 'no ticket', data: { status: 401 } });
    ticket = true;
    await back;
    assert.equal(server.connections.size, 1);
  });

  test(`${carrier}: other events, other arguments and binary are passed over`, async (t) => {
    const { server, create } = await setUp(t);
    const client = create({ transports: [carrier] });
    await client.connect();
    const heard = [];
    client.on('message', (packet) => heard.push(packet));
    client.on('error', (error) => heard.push(error.message));
    const { events } = server.only.link;
    events.emit('news', { n: 1 });
    events.emit('news', 1, 2);
    events.emit('say');
    events.emit('say', { context: 'user', room: 'r', message: Buffer.from('x') });
    events.emit('say', Buffer.from('x'));
    events.emit('api', { asks: 'for an answer' }, () => heard.push('an answer'));
    events.emit('alert', { context: 'alert', n: 2 });
    await client.detailsView();
    assert.deepEqual(heard.map(({ context }) => context), ['alert', 'response']);
    assert.equal(client.state, 'connected');
  });
}

test('an upgrade under load loses, doubles and reorders nothing', async (t) => {
  const { server, create, requests } = await setUp(t, UPGRADING);
  const client = create({ rooms: ['defaultRoom'], callTimeout: 0, upgradeDelay: 20 });
  await client.connect();
  assert.equal(client.transport, OVER_POLLING);
  const { id } = client;
  let rounds = 0;
  await talk(server, client, () => client.transport === OVER_WEBSOCKET && ++rounds > 40);
  assert.deepEqual(client.carriers, [OVER_POLLING, OVER_WEBSOCKET]);
  assert.equal(server.only.link.socket.transport.name, 'websocket');
  assert.equal(client.id, id);
  requests.length = 0;
  await client.detailsView();
  assert.deepEqual(requests, []);
  client.disconnect();
  await until(() => server.connections.size === 0, 'the end of the connection');
  assert.equal(server.reason, 'client namespace disconnect');
});

test('a server that opens no WebSocket is reached by polling, within one attempt', async (t) => {
  const { server, create } = await setUp(t, { transports: ['polling'] });
  const client = create();
  const errors = [];
  client.on('error', (error) => errors.push(error));
  await client.connect();
  assert.deepEqual(client.carriers, [OVER_POLLING]);
  assert.deepEqual(errors, []);
  assert.equal(server.connections.size, 1);
});
