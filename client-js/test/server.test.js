'use strict';

// The minified client against real servers, over each transport and while it changes from one to the other.

const { describe, test, beforeEach, afterEach } = require('node:test');
const assert = require('node:assert/strict');
const Socket = require('ws');
const { SOCKETIO, load, variant } = require('./support/load');
const { Server } = require('./support/server');
const { limited, raised, until } = require('./support/wait');
const { requester } = require('./support/xhr');

const Client = load({}, 'ws.min.js');
const BOTH = ['ws', 'polling'];
// The upgrade begins while the first calls are under way. Nobody answers a WebSocket that is no upgrade.
const UPGRADING = { transports: ['polling', 'websocket'], destroyUpgradeTimeout: 1 };
const upgrades = ({ url }, done) => done(null, !url.includes('transport=websocket'));
const EDITIONS = [
  { name: 'ws on primus', engine: 'primus', transports: ['ws'] },
  { name: 'ws on ws', engine: 'ws', transports: ['ws'] },
  { name: 'polling on engine.io', engine: 'engine.io', transports: ['polling'] },
  { name: 'an upgrade on engine.io', engine: 'engine.io', transports: BOTH, serve: UPGRADING, also: { upgradeDelay: 1 } },
  { name: 'a WebSocket on socket.io', engine: 'socket.io', transports: ['socketio'] },
  { name: 'polling on socket.io', engine: 'socket.io', transports: ['socketio-polling'] },
  { name: 'an upgrade on socket.io', engine: 'socket.io', transports: SOCKETIO, serve: { allowRequest: upgrades }, also: { upgradeDelay: 1 } },
];
const EVENTS = ['connected', 'disconnected', 'error', 'reconnecting', 'reconnect', 'timeout'];

// Six actions in one go, below the client, which would not send them so. Resolves with the first response.
function flood(server) {
  const packet = '{"event":"action","params":{"action":"sleep","sleepDuration":20}}';
  if (server.engine === 'engine.io') return floodByPost(`${server.url}/primus/`, `4${packet}`);
  if (server.engine === 'socket.io') return floodByPost(`${server.url}/socket.io/`, `42["message",${packet}]`, '40');
  const raw = new Socket(`${server.url.replace('http', 'ws')}/primus`);
  return limited(new Promise((resolve) => {
    raw.on('message', (text) => {
      const response = JSON.parse(text);
      if (response.context === 'response') resolve(response);
    });
    raw.on('open', () => {
      for (let n = 0; n < 6; n++) raw.send(packet);
    });
  }), 'a response').finally(() => raw.terminate());
}

async function floodByPost(door, packet, connect) {
  const url = `${door}?EIO=4&transport=polling`;
  const { sid } = JSON.parse((await (await fetch(url)).text()).split('\x1e')[0].slice(1));
  const post = (body) => fetch(`${url}&sid=${sid}`, { method: 'POST', body });
  if (connect) await post(connect);
  await post(Array(6).fill(packet).join('\x1e'));
  for (;;) {
    const text = await (await limited(fetch(`${url}&sid=${sid}`), 'a response')).text();
    const values = text.split('\x1e').map((part) => JSON.parse(part.replace(/^\d+/, '')));
    const found = values.map((value) => (connect ? value[1] : value)).find((value) => value?.context === 'response');
    if (found) return found;
  }
}

for (const { name, engine, transports, serve, also } of EDITIONS) {
  describe(name, () => {
    const Client = load({}, ...variant(transports, true));
    const last = transports.at(-1);
    const XMLHttpRequest = last.endsWith('polling') ? requester() : undefined;
    let server;
    let clients;

    beforeEach(async () => {
      clients = [];
      server = await new Server(engine, serve).start();
    });

    afterEach(async () => {
      clients.forEach((client) => client.disconnect());
      await server.stop();
      if (XMLHttpRequest) XMLHttpRequest.close();
    });

    function create(options) {
      const all = { url: server.url, reconnect: { min: 1, max: 20 }, XMLHttpRequest, ...also, ...options };
      const client = new Client(all, Socket);
      client.events = [];
      EVENTS.forEach((event) => client.on(event, () => client.events.push(event)));
      clients.push(client);
      return client;
    }

    async function connected(options) {
      const client = create(options);
      await client.connect();
      return client;
    }

    test('connect with a callback gives details, the welcome is known', async () => {
      const client = create();
      const [error, details] = await limited(new Promise((resolve) => {
        client.connect((...args) => resolve(args));
      }), 'the callback');
      assert.equal(error, null);
      assert.equal(details.context, 'response');
      assert.equal(details.data.totalActions, 0);
      assert.equal(details.totalActions, 0);
      assert.equal(client.id, server.only.id);
      assert.equal(client.welcomeMessage, 'Hello human! Welcome to Stellar');
      if (also) await until(() => client.transport === transports[0], 'the upgrade');
      assert.equal(client.transport, transports[0]);
    });

    test('connect with a promise gives details', async () => {
      const details = await create().connect();
      assert.equal(details.totalActions, 0);
      assert.equal(details.id, server.only.id);
    });

    test('actions go over HTTP before connect, over the socket after it', async () => {
      const client = create();
      const over = await client.action('randomNumber', { k: 1 });
      assert.ok(over.serverInformation);
      assert.deepEqual(server.requests, [{
        method: 'POST',
        url: '/api?action=randomNumber',
        contentType: 'application/json',
        body: '{"k":1,"action":"randomNumber"}',
      }]);
      await client.action('echo', { httpMethod: 'get', k: 'a&b c' });
      assert.equal(server.requests[1].method, 'GET');
      assert.equal(server.requests[1].url, '/api?action=echo&k=a%26b%20c');
      assert.equal(server.requests[1].body, '');
      await assert.rejects(client.action('nope'), (response) => response.error.code === '004');

      await client.connect();
      const response = await client.action('randomNumber');
      assert.equal(response.context, 'response');
      assert.equal(response.serverInformation, undefined);
      assert.equal(server.requests.length, 3);
      await assert.rejects(client.action('broken'), { error: 'broken', partial: true });
    });

    test('six actions at once through the client: no error; through a raw socket: one', async () => {
      const client = await connected();
      const sleeps = [1, 2, 3, 4, 5, 6].map((n) => client.action('sleep', { sleepDuration: n * 10 }));
      const responses = await Promise.all(sleeps);
      assert.deepEqual(responses.map((response) => response.sleepDuration), [10, 20, 30, 40, 50, 60]);

      assert.equal((await flood(server)).error.code, '007');
    });

    test('answers find their questions whatever their order', async () => {
      const client = await connected();
      const order = [];
      const slow = client.action('sleep', { sleepDuration: 30 }).then((response) => order.push(response.sleepDuration));
      const quick = client.detailsView().then((response) => order.push(response.pendingActions));
      await Promise.all([slow, quick]);
      assert.deepEqual(order, [1, 30]);
    });

    test('members of a room hear each other and themselves, others do not', async () => {
      const [a, b, c] = await Promise.all([connected(), connected(), connected()]);
      await Promise.all([a.roomAdd('defaultRoom'), b.roomJoin('defaultRoom'), c.join('otherRoom')]);
      assert.deepEqual(a.rooms, ['defaultRoom']);
      const heard = [];
      c.on('say', (packet) => heard.push(packet.message));
      const both = Promise.all([raised(a, 'say'), raised(b, 'say')]);
      const message = { text: 'hi <\u2028> \u{1F600}' };
      assert.equal((await a.say('defaultRoom', message)).status, 'OK');
      for (const [packet] of await both) {
        assert.deepEqual([packet.message, packet.room, packet.from], [message, 'defaultRoom', a.id]);
        assert.deepEqual([packet.seq, packet.epoch], [1, 'e']);
      }
      assert.equal((await b.roomView('defaultRoom')).membersCount, 2);
      await b.roomLeave('defaultRoom');
      assert.deepEqual(b.rooms, []);
      await assert.rejects(b.say('defaultRoom', 'x'), { code: '016' });
      await assert.rejects(b.roomView('defaultRoom'), { code: '016', message: 'not member of room defaultRoom' });
      await assert.rejects(b.roomAdd('crazyRoom'), { code: '019', message: 'Room (crazyRoom) does not exist' });
      await c.detailsView();
      assert.deepEqual(heard, []);
    });

    test('room events reach the members and the handlers of that room', async () => {
      const [a, b] = await Promise.all([connected({ rooms: ['defaultRoom', '__proto__'] }), connected({ rooms: ['defaultRoom', '__proto__'] })]);
      const silent = [];
      b.from('otherRoom').on('someEvent', () => silent.push('other'));
      let scoped;
      b.from('defaultRoom').on('someEvent', (data, packet) => { scoped = [data, packet.from]; });
      const plain = raised(b, 'someEvent');
      await a.emit('someEvent', 'x');
      assert.equal((await plain)[0], 'x');
      assert.deepEqual(scoped, ['x', a.id]);

      const odd = limited(new Promise((resolve) => { b.from('__proto__').on('__proto__', resolve); }), 'the event');
      await a.to('__proto__').emit('__proto__', { y: 2 });
      assert.deepEqual(await odd, { y: 2 });
      assert.deepEqual(silent, []);
    });

    test('files', async () => {
      const client = await connected();
      const file = await client.file('simple.html');
      assert.deepEqual([file.error, file.content, file.length], [null, '<h1>simple</h1>', 15]);
      const [response, error] = await limited(new Promise((resolve) => {
        client.file('../secret.txt', (...args) => resolve(args));
      }), 'the callback');
      assert.equal(error.code, '010');
      assert.equal(response.content, null);
    });

    test('pushes of the server', async () => {
      const client = await connected();
      const alert = raised(client, 'alert');
      const api = raised(client, 'api');
      server.push({ context: 'alert', text: 'mind' });
      server.push({ context: 'weather', text: 'rain' });
      assert.equal((await alert)[0].text, 'mind');
      assert.equal((await api)[0].text, 'rain');
    });

    test('a restart of the server: events in order, rooms restored, handlers once, actions over the socket', async () => {
      const client = await connected({ rooms: ['defaultRoom'] });
      await client.roomAdd('otherRoom');
      const { id } = client;
      const heard = [];
      client.on('say', (packet) => heard.push(packet.message));
      client.events.length = 0;

      const gone = raised(client, 'disconnected');
      await server.stop();
      await gone;
      const back = raised(client, 'connected');
      const trying = raised(client, 'reconnecting');
      await trying;
      await server.start();
      await back;

      const order = client.events.filter((event) => event !== 'error');
      assert.equal(order[0], 'disconnected');
      assert.deepEqual(order.slice(-2), ['reconnect', 'connected']);
      assert.deepEqual([...new Set(order.slice(1, -2))], ['reconnecting']);
      assert.notEqual(client.id, id);
      assert.equal(client.state, 'connected');
      assert.deepEqual(client.rooms, ['defaultRoom', 'otherRoom']);
      assert.deepEqual(server.only.rooms, ['defaultRoom', 'otherRoom']);
      assert.equal((await client.action('randomNumber')).context, 'response');
      server.say('otherRoom', 'once');
      await client.detailsView();
      assert.deepEqual(heard, ['once']);
      assert.equal(client.messageCount, server.only.messageCount);
    });

    test('a first connection that fails, and a server that comes later', async () => {
      await server.stop();
      const client = create();
      const errors = [];
      const failed = limited(new Promise((resolve) => {
        client.connect((error) => {
          errors.push(error);
          resolve();
        });
      }), 'the callback');
      await failed;
      assert.match(errors[0].message, XMLHttpRequest ? new RegExp(`^${last}: GET answered 0`) : /ECONNREFUSED/);
      const back = raised(client, 'connected');
      await server.start();
      await back;
      assert.equal(errors.length, 1);
      assert.equal(client.state, 'connected');
      assert.ok(!client.events.includes('reconnect'));
    });

    test('a deliberate close of the server: no reconnection', async () => {
      const client = await connected({ reconnect: { min: 0, max: 0 } });
      const gone = raised(client, 'disconnected');
      server.only.link.end();
      await gone;
      await until(() => server.connections.size === 0, 'the server to see the close');
      // A reconnection without delay would be here before a new client.
      await connected();
      assert.equal(server.connections.size, 1);
      assert.deepEqual(client.events, ['connected', 'disconnected']);
      assert.equal(client.state, 'disconnected');
    });

    test('connect and disconnect five times leave one connection', async () => {
      const client = create({ reconnect: { min: 0, max: 0 } });
      for (let round = 0; round < 5; round++) {
        await client.connect();
        if (round < 4) client.disconnect();
      }
      await until(() => server.connections.size === 1, 'one connection');
      assert.equal(server.only.id, client.id);
    });

    test('connecting again and again leaves one connection', async () => {
      const client = create();
      const errors = [];
      for (let round = 0; round < 4; round++) client.connect().catch((error) => errors.push(error.message));
      await client.connect();
      await until(() => server.connections.size === 1, 'one connection');
      assert.equal(server.only.id, client.id);
      assert.deepEqual(errors, Array(4).fill('replaced by another connect()'));
    });

    test('every packet of the client counts on both sides', async () => {
      const client = await connected({ rooms: ['defaultRoom'] });
      await Promise.all([client.say('x'), client.file('simple.html'), client.action('randomNumber'), client.roomLeave('otherRoom').catch(() => {})]);
      await client.detailsView();
      assert.equal(client.messageCount, server.only.messageCount);
    });
  });
}

test('a server that pings often keeps a client that answers', async () => {
  const server = await new Server('primus', { pingInterval: 20 }).start();
  const client = new Client({ url: server.url, pingTimeout: 2000 }, Socket);
  try {
    await client.connect();
    const { id } = server.only;
    await until(() => server.pings >= 5, 'five pings');
    assert.equal(server.only.id, id);
    assert.equal(client.state, 'connected');
  } finally {
    client.disconnect();
    await server.stop();
  }
});

test('a ping is answered with its own number', async () => {
  const server = await new Server('ws').start();
  const client = new Client({ url: server.url }, Socket);
  try {
    await client.connect();
    server.push('primus::ping::1465829985123');
    await until(() => server.control, 'the answer');
    assert.equal(server.control, 'primus::pong::1465829985123');
    assert.ok(!server.received.some((packet) => typeof packet === 'string'));
  } finally {
    client.disconnect();
    await server.stop();
  }
});

test('a silent server is left, and found again', async () => {
  const server = await new Server('ws').start();
  const client = new Client({ url: server.url, pingTimeout: 50, reconnect: { min: 0, max: 0 } }, Socket);
  try {
    await client.connect();
    await raised(client, 'disconnected');
    await raised(client, 'connected');
  } finally {
    client.disconnect();
    await server.stop();
  }
});
