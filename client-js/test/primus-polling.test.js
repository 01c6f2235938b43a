'use strict';

// Long polling, its upgrade, and the way from a WebSocket that does not work to long polling.

const { test } = require('node:test');
const assert = require('node:assert/strict');
const http = require('node:http');
const net = require('node:net');
const { load, setUp, opened } = require('./support/primus');
const { raised, until } = require('./support/wait');

const FILES = ['primus-polling.min.js', 'primus-ws-polling.min.js'];
const RETRY = { reconnect: { min: 20, max: 60 } };
const posts = (requests) => requests.filter(({ method }) => method === 'POST');

for (const file of FILES) {
  test(`without WebSocket a burst leaves in one POST, and bytes in base64 (${file})`, async (t) => {
    const { server, create, XMLHttpRequest } = await setUp(t, { transformer: 'engine.io' });
    const parser = '{ encoder: function (data, fn) { fn(null, data); }, decoder: function (data, fn) { fn(null, data); } }';
    const bytes = Buffer.from([0, 255, 128, 10]);
    server.options.parser = { encoder: (data, fn) => fn(null, data), decoder: (data, fn) => fn(null, data) };
    await server.stop();
    await server.start();
    server.connected = (spark) => spark.on('data', (data) => spark.write(data));
    const client = create(file, { websockets: false, ...RETRY }, { parser });
    assert.equal(client.AVOID_WEBSOCKETS, true);
    await raised(client, 'open');
    assert.equal(client.socket.transport.name, 'polling');
    const echoed = [];
    client.on('data', (data) => echoed.push(data));
    const view = new Uint8Array([1, 2, 0, 255, 128, 10, 3]).subarray(2, 6);
    client.write('text');
    client.write(view);
    client.write(view.slice().buffer);
    await until(() => echoed.length === 3, 'all echoes');
    assert.equal(echoed[0], 'text');
    echoed.slice(1).forEach((data) => assert.deepEqual(Buffer.from(data), bytes));
    assert.deepEqual(posts(XMLHttpRequest.requests).map(({ body }) => body), ['4text\x1ebAP+ACg==\x1ebAP+ACg==']);
    assert.ok(server.requests.every((url) => !url.includes('websocket')));
  });

  test(`an upgrade loses, doubles and reorders nothing (${file})`, async (t) => {
    const { server, create } = await setUp(t, { transformer: 'engine.io' });
    server.connected = (spark) => spark.on('data', (data) => spark.write(data));
    const client = create(file, RETRY);
    const echoed = [];
    client.on('data', (data) => echoed.push(data));
    await until(() => client.readyState === 3, 'an open connection');
    let sent = 0;
    while (client.socket.transport.name !== 'websocket') {
      client.write(sent++);
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (let more = 0; more < 10; more++) client.write(sent++);
    await until(() => echoed.length === sent, 'all echoes');
    assert.deepEqual(echoed, Array.from({ length: sent }, (_, n) => n));
    assert.equal(server.sparks.length, 1);
  });
}

test('a POST keeps to what the server takes', async (t) => {
  const { server, create, XMLHttpRequest } = await setUp(t, { transformer: 'engine.io', maxLength: 2000 });
  const client = create('primus-polling.min.js', { websockets: false, ...RETRY });
  await raised(client, 'open');
  const texts = Array.from({ length: 200 }, (_, n) => `${n} ${'€ä😀x'.repeat(n % 40)}`);
  texts.forEach((text) => client.write(text));
  await until(() => server.received.length === texts.length, 'all texts');
  assert.deepEqual(server.received, texts);
  const sizes = posts(XMLHttpRequest.requests).map(({ body }) => Buffer.byteLength(body));
  assert.ok(Math.max(...sizes) <= 2000 && Math.max(...sizes) > 1000, String(Math.max(...sizes)));
});

test('the end while polling closes the session at the server', async (t) => {
  const { server, create } = await setUp(t, { transformer: 'engine.io' });
  const client = create('primus-polling.min.js', { websockets: false });
  await raised(client, 'open');
  client.end();
  await until(() => server.primus.connected === 0, 'the server to notice');
  const early = create('primus-polling.min.js', { websockets: false, manual: true });
  early.open();
  early.end();
  await until(() => server.sparks.length === 2 && server.primus.connected === 0, 'a session that was ended while it opened');
  assert.equal(early.readyState, 2);
});

test('the server ends a polling connection for good', async (t) => {
  const { server, create } = await setUp(t, { transformer: 'engine.io' });
  const client = create('primus-polling.min.js', { websockets: false, ...RETRY });
  await raised(client, 'open');
  const ended = raised(client, 'end');
  server.spark.end('bye');
  await ended;
  assert.equal(client.recovery.reconnecting(), false);
});

test('fetch takes the place of XMLHttpRequest where there is none', async (t) => {
  const { server, create } = await setUp(t, { transformer: 'engine.io' });
  server.connected = (spark) => spark.on('data', (data) => spark.write(data));
  const client = create('primus-polling.min.js', { XMLHttpRequest: undefined, websockets: false, ...RETRY });
  client.write('ä');
  assert.equal((await raised(client, 'data'))[0], 'ä');
  client.write('bye');
  client.end();
  await until(() => server.received.length === 2 && server.primus.connected === 0, 'the end');
});

test('a server that is silent for longer than it said is gone', async (t) => {
  const hello = { sid: 'S', upgrades: [], pingInterval: 100, pingTimeout: 100, maxPayload: 1000 };
  const server = http.createServer((request, response) => {
    if (!request.url.includes('sid=')) response.end(`0${JSON.stringify(hello)}`);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const start = Date.now();
  const client = new (load('primus-polling.min.js'))(`http://127.0.0.1:${server.address().port}`, { strategy: false });
  t.after(() => {
    client.destroy();
    server.close();
    server.closeAllConnections();
  });
  await raised(client, 'open');
  const closed = raised(client, 'close');
  await raised(client, 'end');
  assert.deepEqual(await closed, [undefined]);
  assert.ok(Date.now() - start >= 190, String(Date.now() - start));
});

test('what fails before it has worked once is followed by long polling, what is missing too', async (t) => {
  const { server, create } = await setUp(t, { transformer: 'engine.io' });
  class Broken {
    constructor(url) {
      Broken.url = url;
      setTimeout(() => {
        this.onerror({ message: 'blocked' });
        this.onclose({ code: 1006, reason: '' });
      }, 0);
    }

    close() {}
  }
  class Refused {
    constructor() {
      throw new Error('not allowed');
    }
  }
  for (const WebSocket of [Broken, Refused]) {
    const client = create('primus-ws-polling.min.js', { WebSocket, ...RETRY });
    await raised(client, 'open');
    assert.equal(client.socket.transport.name, 'polling');
    client.write('x');
    await until(() => server.received.length === 1, 'a message');
    server.received.length = 0;
    client.destroy();
  }
  assert.match(Broken.url, /^ws:.*&transport=websocket/);
});

test('a WebSocket that hangs is given up for long polling', async (t) => {
  const { server, create } = await setUp(t, { transformer: 'engine.io' });
  class Hanging {
    constructor() { Hanging.count = (Hanging.count ?? 0) + 1; }
    close() { Hanging.isClosed = true; }
  }
  const client = create('primus-ws-polling.min.js', { WebSocket: Hanging, fallbackTimeout: 50, ...RETRY });
  await raised(client, 'open');
  assert.equal(client.socket.transport.name, 'polling');
  assert.equal(Hanging.isClosed, true);
  assert.equal(server.sparks.length, 1);
});

test('a WebSocket that has worked once is not replaced', async (t) => {
  const { server, create } = await setUp(t);
  const client = create('primus-ws-polling.min.js', { reconnect: { min: 20, retries: 2 } });
  client.on('error', () => {});
  await opened(client);
  const failed = raised(client, 'reconnect failed');
  await server.stop();
  const requests = net.createServer((socket) => {
    socket.once('data', (data) => requests.seen.push(String(data)));
    socket.on('error', () => {});
    socket.end('HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
  });
  requests.seen = [];
  t.after(() => requests.close());
  await new Promise((resolve) => requests.listen(server.port, '127.0.0.1', resolve));
  await failed;
  assert.ok(requests.seen.length > 0 && requests.seen.every((head) => /upgrade: websocket/i.test(head)), String(requests.seen));
});
