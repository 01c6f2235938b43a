'use strict';

// Long polling and its upgrade against npm `engine.io`: order, bursts, limits, heartbeats, and pages that
// have nothing but XMLHttpRequest.

const { test } = require('node:test');
const assert = require('node:assert/strict');
const vm = require('node:vm');
const Socket = require('ws');
const { SETTINGS, wrapped, load, variant } = require('./support/load');
const { Server } = require('./support/server');
const { limited, raised, until } = require('./support/wait');
const { requester } = require('./support/xhr');

const COUNT = 10000;
const UPGRADING = { transports: ['polling', 'websocket'], destroyUpgradeTimeout: 1 };

// A server, and a way to make clients for it; all are ended with the test.
async function setUp(t, serve, transports = ['polling']) {
  const server = await new Server('engine.io', serve).start();
  const XMLHttpRequest = requester();
  const Client = load({}, ...variant(transports, true));
  const clients = [];
  t.after(async () => {
    clients.forEach((client) => client.disconnect());
    await server.stop();
    XMLHttpRequest.close();
  });
  const create = (options) => {
    const client = new Client({ url: server.url, XMLHttpRequest, reconnect: { min: 1, max: 20 }, ...options }, Socket);
    clients.push(client);
    return client;
  };
  return { server, create, requests: XMLHttpRequest.requests };
}

function posts(requests) {
  return requests.filter((request) => request.method === 'POST');
}

test('a burst of small calls goes out in one POST', async (t) => {
  const { server, create, requests } = await setUp(t);
  const client = create();
  await client.connect();
  requests.length = 0;
  await Promise.all(Array.from({ length: 100 }, () => client.detailsView()));
  assert.equal(posts(requests).length, 1);
  assert.equal(server.received.length, 101);
});

test('a POST keeps to the limit of the server, which refuses what is over it', async (t) => {
  const { server, create, requests } = await setUp(t, { maxHttpBufferSize: 2000 });
  const client = create({ rooms: ['defaultRoom'] });
  await client.connect();
  requests.length = 0;
  const texts = Array.from({ length: 200 }, (_, n) => `${n} ${'€ä😀x'.repeat(n % 40)}`);
  await Promise.all(texts.map((text) => client.say('defaultRoom', text)));
  const sizes = posts(requests).map((request) => Buffer.byteLength(request.body));
  assert.ok(Math.max(...sizes) <= 2000 && Math.max(...sizes) > 1000, String(Math.max(...sizes)));
  assert.deepEqual(server.received.filter(({ event }) => event === 'say').map(({ message }) => message), texts);

  const failed = raised(client, 'error');
  const back = raised(client, 'reconnecting');
  await assert.rejects(client.say('defaultRoom', 'x'.repeat(3000)), /^Error: polling: POST answered 413/);
  await Promise.all([failed, back]);
});

test(`${COUNT} messages keep their order in both directions`, async (t) => {
  const { server, create } = await setUp(t);
  const client = create({ rooms: ['defaultRoom'], callTimeout: 0 });
  await client.connect();
  const heard = [];
  client.on('say', (packet) => heard.push(packet.message));
  const calls = [];
  for (let n = 0; n < COUNT; n++) {
    calls.push(client.say('defaultRoom', n));
    // Not all in one turn: requests and answers cross.
    if (n % 100 === 0) await new Promise(setImmediate);
  }
  await Promise.all(calls);
  const numbers = Array.from({ length: COUNT }, (_, n) => n);
  assert.deepEqual(server.received.filter(({ event }) => event === 'say').map(({ message }) => message), numbers);
  assert.deepEqual(heard, numbers);
});

test('an upgrade under load loses, doubles and reorders nothing', async (t) => {
  const { server, create } = await setUp(t, UPGRADING, ['ws', 'polling']);
  const client = create({ rooms: ['defaultRoom'], callTimeout: 0, upgradeDelay: 20 });
  const heard = [];
  const pushed = [];
  client.on('say', (packet) => heard.push(packet.message));
  client.on('api', (packet) => pushed.push(packet.n));
  await client.connect();
  assert.equal(client.transport, 'polling');
  const { id } = client;

  const calls = [];
  const carried = [];
  let sent = 0;
  const more = (count) => {
    for (let n = 0; n < count; n++) {
      server.push({ context: 'weather', n: sent });
      calls.push(client.say('defaultRoom', sent++));
    }
    carried.push(client.transport);
  };
  await limited((async () => {
    while (client.transport === 'polling') {
      more(20);
      await new Promise(setImmediate);
    }
    for (let round = 0; round < 50; round++) {
      more(20);
      await new Promise(setImmediate);
    }
  })(), 'the upgrade');
  await limited(Promise.all(calls), 'the answers');

  assert.ok(carried.includes('polling') && carried.includes('ws'));
  assert.equal(server.only.link.socket.transport.name, 'websocket');
  assert.equal(client.id, id);
  const numbers = Array.from({ length: sent }, (_, n) => n);
  assert.deepEqual(server.received.filter(({ event }) => event === 'say').map(({ message }) => message), numbers);
  assert.deepEqual(heard, numbers);
  assert.deepEqual(pushed, numbers);
});

test('the upgrade of an idle connection, told by its event; what follows needs no request', async (t) => {
  const { server, create, requests } = await setUp(t, UPGRADING, ['ws', 'polling']);
  const client = create({ upgradeDelay: 50 });
  const names = [];
  client.on('transport', (name) => names.push(name));
  await client.connect();
  await until(() => client.transport === 'ws', 'the upgrade');
  assert.deepEqual(names, ['polling', 'ws']);
  requests.length = 0;
  await client.detailsView();
  assert.deepEqual(requests, []);
  client.disconnect();
  await until(() => server.connections.size === 0, 'the server to see the end');
  assert.equal(server.reason, 'transport close');
});

test('an upgrade that the server does not finish leaves the session alive', async (t) => {
  const { server, create } = await setUp(t, UPGRADING, ['ws', 'polling']);
  // Sockets that never say what they are told to say.
  class Mute extends Socket {
    send() {}
  }
  const client = create({ upgradeDelay: 5, fallbackTimeout: 30, WebSocket: Mute });
  const opened = [];
  client.options.WebSocket = function Counted(url) {
    opened.push(url);
    return new Mute(url);
  };
  await client.connect();
  const { id } = client;
  await until(() => opened.filter((url) => url.includes('sid=')).length >= 3, 'three probes');
  assert.equal((await client.detailsView()).id, id);
  assert.equal(client.transport, 'polling');
  assert.equal(server.only.id, id);
});

test('five heartbeats pass over polling and over the socket after it', async (t) => {
  const serve = { ...UPGRADING, pingInterval: 40, pingTimeout: 1000 };
  for (const [transports, carrier] of [[['polling'], 'polling'], [['ws', 'polling'], 'ws']]) {
    const { server, create } = await setUp(t, serve, transports);
    const client = create({ upgradeDelay: 1 });
    await client.connect();
    const { id } = client;
    await until(() => client.transport === carrier, carrier);
    let pongs = 0;
    server.only.link.socket.on('heartbeat', () => pongs++);
    await until(() => pongs >= 5, 'five pongs');
    assert.equal(client.id, id);
    assert.equal(client.state, 'connected');
  }
});

test('disconnect closes the session at once, and what was said before it arrives', async (t) => {
  const { server, create } = await setUp(t);
  const client = create();
  await client.connect();
  client.say('otherRoom', 'last words', () => {});
  client.disconnect();
  await until(() => server.connections.size === 0, 'the end of the session');
  assert.equal(server.received.at(-1).message, 'last words');
  assert.equal(server.reason, 'transport close');
});

test('a session that the server has forgotten is replaced', async (t) => {
  const { server, create } = await setUp(t);
  const client = create();
  await client.connect();
  const { id } = client;
  const { clients } = server.engineio;
  const failed = raised(client, 'error');
  const back = raised(client, 'reconnect');
  // As behind a load balancer that has moved the page to another server: whichever request comes first is told.
  server.engineio.clients = {};
  client.detailsView(() => {});
  const [error] = await failed;
  assert.match(error.message, /^polling: (GET|POST) answered 400 \{"code":1,"message":"Session ID unknown"\}$/);
  await back;
  await until(() => client.state === 'connected', 'the connection');
  assert.notEqual(client.id, id);
  Object.assign(server.engineio.clients, clients);
});

test('in a page with XMLHttpRequest alone, callbacks do: no Promise, fetch or WebSocket', async (t) => {
  const { server } = await setUp(t);
  const out = [];
  const ended = new Promise((resolve) => {
    const XMLHttpRequest = requester();
    t.after(XMLHttpRequest.close);
    const page = vm.createContext({
      XMLHttpRequest, setTimeout, clearTimeout, out, resolve, url: server.url,
    });
    page.self = page;
    vm.runInContext('delete Promise; delete Symbol; delete Map', page);
    const settings = { ...SETTINGS, transports: ['polling'] };
    vm.runInContext(wrapped('script', 'polling.min.js', 'StellarClient', settings), page);
    vm.runInContext(`
      out.push(typeof Promise + typeof fetch + typeof WebSocket);
      var client = new StellarClient({ url: url, rooms: ['defaultRoom'] });
      client.on('say', function (packet) { out.push('heard ' + packet.message); });
      client.on('disconnected', function () { out.push('disconnected'); resolve(); });
      client.action('randomNumber', function (response) {
        out.push('over HTTP ' + ('serverInformation' in response));
        client.connect(function (error, details) {
          out.push(error + ' ' + details.status + ' ' + client.transport);
          client.detailsView();
          client.action('randomNumber', function (response) {
            out.push('over HTTP ' + ('serverInformation' in response));
            client.say('defaultRoom', 'hello', function (error) {
              out.push('said ' + error);
              client.disconnect();
            });
          });
        });
      });
    `, page);
  });
  await limited(ended, 'the end');
  assert.deepEqual(out, [
    'undefinedundefinedundefined', 'over HTTP true', 'null OK polling', 'over HTTP false', 'heard hello', 'said null', 'disconnected',
  ]);
});
