'use strict';

// When the Primus client opens, where to, and on what kind of browser.

const { test } = require('node:test');
const assert = require('node:assert/strict');
const vm = require('node:vm');
const Primus = require('primus');
const { VARIANTS, frames, load, page, record, wrapped } = require('./support/primus');
const { until } = require('./support/wait');
const { Clock } = require('./support/world');

const Real = Primus.createSocket({ transformer: 'websockets', parser: 'json' });

// A page on a clock of ours, with sockets and the network in the test's hand.
function browser(file, globals) {
  const listeners = { online: [], offline: [] };
  const clock = new Clock();
  const sockets = [];
  class Socket {
    constructor(...args) {
      this.args = args;
      this.readyState = 1;
      this.sent = [];
      sockets.push(this);
    }

    send(text) {
      this.sent.push(text);
    }

    close() {
      this.isClosed = true;
    }
  }
  const window = page(file, {}, {
    setTimeout: clock.setTimeout,
    clearTimeout: clock.clearTimeout,
    location: { protocol: 'https:', host: 'example.org', hostname: 'example.org', port: '' },
    navigator: { onLine: true },
    addEventListener: (event, fn) => listeners[event] && listeners[event].push(fn),
    removeEventListener: () => {},
    WebSocket: Socket,
    XMLHttpRequest: undefined,
    ...globals,
  });
  const go = (event) => listeners[event].forEach((fn) => fn({ type: event }));
  return { window, clock, sockets, go };
}

test('a manual client that nobody has opened is not opened by the network', () => {
  for (const variant of VARIANTS) {
    const { window, clock, sockets, go } = browser(`${variant}.min.js`);
    let requests = 0;
    window.XMLHttpRequest = function () {
      requests++;
      return { open() {}, send() {}, abort() {} };
    };
    const client = new window.Primus({ manual: true });
    const names = record(client);
    for (let round = 0; round < 3; round++) {
      go('offline');
      go('online');
      clock.advance(60000);
    }
    assert.deepEqual([sockets.length, requests], [0, 0], variant);
    assert.deepEqual(names, Array(3).fill(['offline', 'online']).flat(), variant);
    // Once opened, the network brings it back; once ended, it does not.
    client.open();
    go('offline');
    go('online');
    clock.advance(2000);
    assert.equal(sockets.length + requests, 2, variant);
    client.end();
    go('offline');
    go('online');
    clock.advance(60000);
    assert.equal(sockets.length + requests, 2, variant);
  }
});

test('a client that opens by itself is brought back, also if the network went before it began', () => {
  const { window, clock, sockets, go } = browser('primus-ws.min.js');
  const client = new window.Primus();
  go('offline');
  clock.advance(1000);
  assert.equal(sockets.length, 0);
  go('online');
  clock.advance(1000);
  assert.equal(sockets.length, 1);
  client.destroy();
});

test('uri takes what the one of Primus takes', () => {
  const wishes = [
    {}, { query: true }, { query: true, secure: true }, { protocol: 'ws:', auth: 'a:b' }, { pathname: '/other' }, { pathname: '' },
    { pathname: false }, { auth: '' }, { protocol: 'http:', port: '81', object: true }, { query: true, object: true },
    { protocol: 'ws:', secure: false, query: true, auth: null },
  ];
  for (const url of ['http://localhost', 'https://u:p@h.example:8443/some/path?a=1']) {
    for (const wish of wishes) {
      const [theirs, ours] = [Real, load()].map((Client) => {
        const uri = new Client(url, { manual: true }).uri({ ...wish });
        if (typeof uri === 'string') return uri.replace(/_primuscb=[\w.-]+$/, 'CB');
        const { query, ...parts } = uri;
        return parts;
      });
      assert.deepEqual({ ...Object(ours) }, { ...Object(theirs) }, `${url} ${JSON.stringify(wish)}`);
    }
  }
});

// Late is better than never, as in Primus: an attempt that opens after its time limit counts, until the next one has
// begun and taken its place.
test('a connection that opens after its timeout is taken, until the next attempt', () => {
  const { window, clock, sockets } = browser('primus-ws.min.js');
  const client = new window.Primus({ timeout: 100, reconnect: { min: 1000, max: 1000 } });
  const names = [];
  for (const name of ['timeout', 'reconnect scheduled', 'reconnect', 'reconnected', 'open', 'end']) client.on(name, () => names.push(name));
  clock.advance(500);
  assert.deepEqual(names, ['timeout', 'reconnect scheduled']);
  sockets[0].onopen();
  assert.deepEqual(names, ['timeout', 'reconnect scheduled', 'reconnected', 'open']);
  clock.advance(30000);
  assert.equal(sockets.length, 1, 'no other attempt');
  assert.equal(client.readyState, 3);
});

test('the next attempt takes the place of one that is late', () => {
  const { window, clock, sockets } = browser('primus-ws.min.js');
  const client = new window.Primus({ timeout: 100, reconnect: { min: 1000, max: 1000, 'reconnect timeout': 500 } });
  client.on('error', () => {});
  clock.advance(1100);
  assert.equal(sockets.length, 2);
  assert.ok(sockets[0].isClosed);
  sockets[0].onopen();
  assert.equal(client.readyState, 1, 'the old one is not heard');
  // The second is late as well, and the same holds for it.
  clock.advance(600);
  sockets[1].onopen();
  assert.equal(client.readyState, 3);
  clock.advance(30000);
  assert.equal(sockets.length, 2);
});

test('without the strategy a timeout is the end, and a late opening is closed', () => {
  for (const strategy of ['disconnect,online', false]) {
    const { window, clock, sockets } = browser('primus-ws.min.js');
    const client = new window.Primus({ timeout: 100, strategy });
    const names = [];
    for (const name of ['timeout', 'open', 'end']) client.on(name, () => names.push(name));
    clock.advance(100);
    assert.ok(sockets[0].isClosed);
    sockets[0].onopen();
    clock.advance(60000);
    assert.deepEqual(names, ['timeout', 'end']);
    assert.equal(sockets.length, 1);
  }
});

// mujs and others: without the second argument nothing is taken out. ES5 has no more than that (15.4.4.12).
const OLD_SPLICE = `(function () {
  var splice = Array.prototype.splice;
  Array.prototype.splice = function () { return arguments.length < 2 ? [] : splice.apply(this, arguments); };
})()`;

test('an engine of ES5 writes what has waited for the connection', () => {
  for (const variant of ['primus-ws', 'primus-ws-polling']) {
    const { window, clock, sockets } = browser(`${variant}.min.js`);
    vm.runInContext(OLD_SPLICE, window);
    const client = new window.Primus();
    client.write('one');
    client.write('two');
    clock.advance(0);
    sockets[0].onopen();
    assert.deepEqual(sockets[0].sent, ['"one"', '"two"'], variant);
    client.write('three');
    assert.deepEqual(sockets[0].sent, ['"one"', '"two"', '"three"'], variant);
    assert.equal(client.buffer.length, 0);
    client.destroy();
  }
});

test('no script leaves the second argument of splice to the engine', () => {
  for (const variant of VARIANTS) {
    assert.doesNotMatch(wrapped('primus', `${variant}.js`), /\.splice\([^(),]*\)/, variant);
  }
});

test('the socket of a page gets the address and nothing else', async (t) => {
  // As in PhantomJS and other old WebKits.
  class Old {
    constructor(...args) {
      if (args.length !== 1) throw new Error('SyntaxError: DOM Exception 12');
      this.url = args[0];
      Old.last = this;
    }

    close() {}
  }
  for (const options of [{}, { transport: { withCredentials: true } }, { WebSocket: Old }]) {
    Old.last = null;
    const { window, clock } = browser('primus-ws.min.js', { WebSocket: Old });
    const client = new window.Primus(options);
    const errors = [];
    client.on('error', (error) => errors.push(error.message));
    clock.advance(0);
    assert.deepEqual(errors, []);
    assert.match(Old.last.url, /^wss:\/\/example\.org\/primus\?/);
    client.destroy();
  }
  // Those of Node go on to get the options.
  const server = await frames(t);
  const client = server.create({ WebSocket: require('ws'), transport: { headers: { 'x-mine': 'yes' } } });
  await until(() => client.readyState === 3, 'an open connection');
  assert.equal(server.request.headers['x-mine'], 'yes');
});
