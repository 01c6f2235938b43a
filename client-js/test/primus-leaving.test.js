'use strict';

// The Primus client in a page that is left, and in one that is come back to.

const { test } = require('node:test');
const assert = require('node:assert/strict');
const { page, record } = require('./support/primus');
const { until } = require('./support/wait');

const HELLO = '0{"sid":"S","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}';

// A page that a test plays the server of, and its client.
function visit(t, file, options, globals) {
  const listeners = {};
  const world = { sockets: [], requests: [], beacons: [], listeners };
  const window = page(file, {}, {
    navigator: { sendBeacon: (url, body) => Boolean(world.beacons.push({ url, body })) },
    location: { protocol: 'https:', host: 'example.org', hostname: 'example.org', port: '' },
    addEventListener: (event, fn) => { listeners[event] = [...(listeners[event] ?? []), fn]; },
    removeEventListener: (event, fn) => { listeners[event] = listeners[event].filter((other) => other !== fn); },
    WebSocket: class {
      constructor() {
        Object.assign(this, { readyState: 1, sent: [] });
        world.sockets.push(this);
      }

      send(text) { this.sent.push(text); }

      close() { this.isClosed = true; }
    },
    XMLHttpRequest: class {
      constructor() { world.requests.push(this); }

      open(method, url, isAsync) { Object.assign(this, { method, url, isAsync }); }

      setRequestHeader() {}

      send(body) { this.body = body; }

      abort() { this.isAborted = true; }

      answer(responseText, status = 200) {
        Object.assign(this, { readyState: 4, status, responseText });
        this.onreadystatechange();
      }
    },
    ...globals,
  });
  world.go = (event) => listeners[event].forEach((fn) => fn({ type: event }));
  world.client = new window.Primus({ reconnect: { min: 1e6 }, ...options });
  world.names = record(world.client);
  t.after(() => world.client.destroy());
  return world;
}

async function onSocket(t, options) {
  const world = visit(t, 'primus-ws.min.js', options);
  await until(() => world.sockets.length, 'a socket');
  world.sockets[0].onopen();
  world.names.length = 0;
  return world;
}

async function polling(t, globals) {
  const world = visit(t, 'primus-polling.min.js', { websockets: false }, globals);
  await until(() => world.requests.length, 'a request');
  world.requests[0].answer(HELLO);
  assert.equal(world.client.readyState, 3);
  return world;
}

test('a page that is left closes its socket, and tells nobody', async (t) => {
  const { client, sockets, names, go } = await onSocket(t);
  go('pagehide');
  assert.equal(sockets[0].isClosed, true);
  assert.deepEqual(names, []);
  assert.equal(sockets.length, 1);
  assert.equal(client.timers.active('heartbeat'), false);
});

test('a page that is come back to is told of a loss, and connects at once', async (t) => {
  const { client, sockets, names, go } = await onSocket(t);
  go('pagehide');
  client.write('meanwhile');
  go('pageshow');
  assert.deepEqual(names.filter((name) => !/^(in|out)/.test(name)), [
    'readyStateChange end', 'close', 'reconnect scheduled', 'readyStateChange opening', 'reconnect',
  ]);
  assert.equal(sockets.length, 2);
  names.length = 0;
  sockets[1].onopen();
  assert.deepEqual(names.filter((name) => !/^(in|out)/.test(name)), ['reconnected', 'readyStateChange open', 'open']);
  assert.deepEqual(sockets[1].sent, ['"meanwhile"']);
});

test('leaving during the delay before an attempt: none is made until the page is back', async (t) => {
  const { client, sockets, go } = await onSocket(t);
  sockets[0].onclose({ code: 1006, reason: '' });
  assert.equal(client.timers.active('reconnect'), true);
  go('pagehide');
  assert.equal(client.timers.active('reconnect'), false);
  go('pageshow');
  assert.equal(sockets.length, 2);
});

test('leaving while the first connection opens: the page that is back opens another', async (t) => {
  const world = visit(t, 'primus-ws.min.js');
  await until(() => world.sockets.length, 'a socket');
  world.go('pagehide');
  assert.equal(world.sockets[0].isClosed, true);
  world.go('pageshow');
  assert.equal(world.sockets.length, 2);
  world.sockets[1].onopen();
  assert.equal(world.client.readyState, 3);
});

test('a client that was ended stays so when the page is back', async (t) => {
  const ended = await onSocket(t);
  ended.client.end();
  ended.go('pagehide');
  ended.go('pageshow');
  assert.equal(ended.sockets.length, 1);

  const meanwhile = await onSocket(t);
  meanwhile.go('pagehide');
  meanwhile.client.end();
  meanwhile.go('pageshow');
  assert.equal(meanwhile.sockets.length, 1);

  const manual = visit(t, 'primus-ws.min.js', { manual: true });
  manual.go('pagehide');
  manual.go('pageshow');
  assert.equal(manual.sockets.length, 0);
});

test('pages are left with `network: false` too, links to downloads are none of them', async (t) => {
  const { client, sockets, listeners, go } = await onSocket(t, { network: false });
  assert.deepEqual(Object.keys(listeners), ['pagehide', 'pageshow']);
  go('pageshow');
  assert.equal(sockets.length, 1);
  client.destroy();
  assert.deepEqual(Object.values(listeners).flat(), []);
});

test('over polling a beacon takes what waits, and the close behind it', async (t) => {
  const { client, requests, beacons, go } = await polling(t);
  client.write('one');
  client.write({ two: 2 });
  const held = requests.find((request) => request.method === 'GET' && request.readyState !== 4);
  go('pagehide');
  assert.deepEqual(beacons.map(({ body }) => body), ['4"one"\x1e4{"two":2}\x1e1']);
  assert.match(beacons[0].url, /[?&]transport=polling&sid=S&/);
  // The held GET ends with the session: if it were dropped, the server might hear of that first.
  assert.equal(held.isAborted, undefined);
  assert.deepEqual(requests.filter((request) => request.method === 'POST'), []);
});

test('without beacons a request holds the page up', async (t) => {
  const { client, requests, go } = await polling(t, { navigator: {} });
  client.write('one');
  go('pagehide');
  const [post] = requests.filter((request) => request.method === 'POST');
  assert.equal(post.isAsync, false);
  assert.equal(post.body, '4"one"\x1e1');
});

test('a session that has not opened yet is dropped', async (t) => {
  const { requests, beacons, go } = visit(t, 'primus-polling.min.js', { websockets: false });
  await until(() => requests.length, 'a request');
  go('pagehide');
  assert.equal(requests[0].isAborted, true);
  assert.deepEqual(beacons, []);
});

test('a socket that the browser has interrupted is replaced at once', async (t) => {
  const interrupted = await onSocket(t);
  interrupted.sockets[0].onclose({ code: 1001, reason: '' });
  await until(() => interrupted.sockets.length === 2, 'another socket');

  // A server that goes away says so.
  const other = await onSocket(t);
  const scheduled = [];
  other.client.on('reconnect scheduled', (options) => scheduled.push(options.scheduled));
  other.sockets[0].onclose({ code: 1001, reason: 'server is going away' });
  assert.ok(scheduled[0] > 0);
});

// Firefox does so as soon as a link is followed, and raises `pagehide` when the other page is there.
test('requests that the browser drops: what had not left yet leaves with a beacon, and the session ends', async (t) => {
  const world = await polling(t);
  world.client.write('Grüße');
  const held = world.requests.at(-1);
  assert.equal(held.method, 'GET');
  held.answer('', 0);
  assert.deepEqual(world.beacons.map(({ body }) => body), ['4"Grüße"\x1e1']);
  assert.equal(world.client.readyState, 2);
});
