'use strict';

// Opening, heartbeats, losing, coming back, giving up.

const { test } = require('node:test');
const assert = require('node:assert/strict');
const http = require('node:http');
const { load, page, setUp, frames, each, opened, record } = require('./support/primus');
const { limited, raised, until } = require('./support/wait');

const KEYS = [
  'reconnect timeout', 'retries', 'factor', 'max', 'min', 'start', 'attempt', 'duration', 'error', 'backoff', 'scheduled',
];

each(test, 'pings of the server keep a connection', { pingInterval: 400 }, async ({ server, create }) => {
  const client = create({ pingTimeout: 8000 });
  const pongs = [];
  client.on('outgoing::pong', (number) => pongs.push(number));
  client.on('close', () => pongs.push('closed'));
  await until(() => pongs.length === 4, 'four pongs');
  assert.ok(pongs.every((number) => Math.abs(Date.now() - number) < 5000), String(pongs));
  assert.equal(server.sparks.length, 1);
});

each(test, 'silence of the server ends a connection', { pingInterval: false }, async ({ server, create }) => {
  const client = create({ pingTimeout: 500 });
  const [options] = await raised(client, 'reconnect scheduled');
  assert.equal(client.online, false);
  assert.equal(options.error, undefined);
  await raised(client, 'online');
  assert.equal(server.sparks.length, 2);
  await until(() => !server.spark.primus.spark(server.sparks[0].id), 'the end of the silent one');
});

test('a silent connection is closed at once, not at the next attempt', async (t) => {
  const server = await frames(t);
  const client = server.create({ pingTimeout: 100, reconnect: { min: 600000 } });
  await raised(client, 'open');
  const closed = new Promise((resolve) => server.socket.once('close', resolve));
  await raised(client, 'reconnect scheduled');
  await limited(closed, 'the close of the socket');
  assert.equal(client.recovery.attempt.backoff, true);
});

test('any message restarts the clock of silence', async (t) => {
  const server = await frames(t);
  const client = server.create({ pingTimeout: 300 });
  await raised(client, 'open');
  let offline = 0;
  client.on('offline', () => { offline = Date.now(); });
  // Three times the limit, in steps below it.
  let last;
  for (let step = 0; step < 10; step++) {
    await new Promise((resolve) => setTimeout(resolve, 90));
    server.socket.send('1');
    last = Date.now();
  }
  assert.equal(offline, 0);
  await until(() => offline, 'the end of patience');
  assert.ok(offline - last >= 295, String(offline - last));
});

each(test, 'the close message is final', {}, async ({ server, create }) => {
  const client = create();
  const names = record(client);
  await opened(client);
  server.spark.end('bye');
  const [data] = await raised(client, 'data');
  assert.equal(data, 'bye');
  await until(() => names.includes('end'), 'the end');
  assert.equal(client.recovery.reconnecting(), false);
  assert.equal(client.timers.active('heartbeat'), false);
  // And may be undone by hand.
  client.open();
  await opened(client);
  assert.equal(server.sparks.length, 2);
});

each(test, 'a loss is told with one options object', {}, async ({ server, create }) => {
  const client = create({ reconnect: { min: '20 ms', max: '1 second', retries: '3', factor: 1.5, 'reconnect timeout': '2s' } });
  await opened(client);
  const seen = [];
  ['reconnect scheduled', 'reconnect', 'reconnected'].forEach((event) => {
    client.on(event, (options) => seen.push([event, options, { ...options }]));
  });
  server.spark.end(undefined, { reconnect: true });
  await raised(client, 'reconnected');
  assert.deepEqual(seen.map(([event]) => event), ['reconnect scheduled', 'reconnect', 'reconnected']);
  assert.ok(seen.every(([, options]) => options === seen[0][1]));
  const [scheduled, attempted] = seen.map(([, , copy]) => copy);
  assert.deepEqual(Object.keys(scheduled).sort(), [...KEYS].sort());
  assert.ok(Date.now() - scheduled.start < 5000);
  assert.ok(scheduled.scheduled >= 20 && scheduled.scheduled <= 40, String(scheduled.scheduled));
  const { start, duration, scheduled: delay, ...others } = scheduled;
  assert.deepEqual(others, {
    'reconnect timeout': 2000, retries: 3, factor: 1.5, max: 1000, min: 20, attempt: 1, backoff: true, error: undefined,
  });
  assert.equal(attempted.backoff, false);
  // A timer may come a millisecond early by the clock of the day.
  assert.ok(attempted.duration >= delay - 2, `${attempted.duration} ${delay}`);
  assert.equal(client.recovery.attempt, null);
});

// Delays of all attempts with this random number, on a clock of ours.
function delays(random, reconnect) {
  const timers = [];
  const delays = [];
  const math = Object.create(Math, { random: { value: () => random } });
  class Socket {
    constructor() {
      throw new Error('no network');
    }
  }
  const Client = load('primus-ws.min.js', {}, {
    setTimeout: (fn, delay) => timers.push({ fn, delay }), clearTimeout: () => {}, Math: math, WebSocket: Socket,
  });
  const client = new Client('http://localhost', { reconnect });
  client.on('error', () => {});
  client.on('reconnect scheduled', (options, error) => {
    delays.push(options.scheduled);
    assert.equal(error, options.error);
    assert.equal(error.message, 'no network');
  });
  let isOver = false;
  client.on('gave up', (error, options) => {
    isOver = true;
    assert.equal(error.message, 'Unable to recover');
    assert.equal(options.error.message, 'no network');
  });
  // Limits of an attempt never come: the refusal is always sooner.
  while (!isOver) timers.splice(0).filter(({ delay }) => delay < 10000).forEach(({ fn }) => fn());
  return delays;
}

test('delays grow as stated, are random from the first on, and never below min', () => {
  const short = { min: 2, max: 40, factor: 2, retries: 6 };
  assert.deepEqual(delays(0, short), [2, 4, 8, 16, 32, 40]);
  assert.deepEqual(delays(0.999999, short), [4, 8, 16, 32, 40, 40]);
  assert.deepEqual(delays(0.5, { min: 10, retries: 3 }), [15, 30, 60]);
  assert.deepEqual(delays(0.5, { min: '0.1 s', retries: 2, factor: 3 }), [150, 450]);
  assert.deepEqual(delays(0, { retries: 4 }), [500, 1000, 2000, 4000]);
});

test('durations are numbers or words', () => {
  const Client = load();
  const client = new Client({ manual: true });
  const min = (value) => new Client({ manual: true, reconnect: { min: value } }).recovery.min;
  const table = {
    1: 1, '10 ms': 10, '30 seconds': 30000, '1 second': 1000, '2s': 2000, '1.5 min': 90000, '2 minutes': 120000, '3m': 180000,
    '2 hours': 7200000, '1h': 3600000, '1 day': 86400000, '2 weeks': 1209600000, '1 year': 31557600000, '5 milliseconds': 5,
    '7 msecs': 7, '10 cows': 500, soon: 500, Infinity, '3 HRS': 10800000,
  };
  for (const [text, expected] of Object.entries(table)) assert.equal(min(text), expected, text);
  assert.equal(client.recovery.min, 500);
  assert.equal(client.recovery.max, Infinity);
  assert.equal(client.recovery.retries, 10);
  assert.equal(client.recovery.factor, 2);
  assert.equal(client.recovery['reconnect timeout'], 30000);
});

test('a hint of the server is the next delay, once', async (t) => {
  const server = await frames(t);
  const client = server.create();
  const data = [];
  client.on('data', (value) => data.push(value));
  await raised(client, 'open');
  server.socket.send('"primus::server::retry::123"');
  server.socket.close();
  const [first] = await raised(client, 'reconnect scheduled');
  assert.equal(first.scheduled, 123);
  await raised(client, 'open');
  server.socket.close();
  const [second] = await raised(client, 'reconnect scheduled');
  assert.ok(second.scheduled <= 40, String(second.scheduled));
  await raised(client, 'open');
  server.socket.send('"primus::server::retry::soon"');
  server.socket.close();
  const [third] = await raised(client, 'reconnect scheduled');
  assert.ok(third.scheduled <= 40, String(third.scheduled));
  assert.deepEqual(data, []);
});

test('a hint counts for one attempt, also if that fails', async (t) => {
  const { server, create } = await setUp(t);
  const client = create('primus-ws.min.js', { reconnect: { min: 20, max: 60, retries: 2 } });
  const scheduled = [];
  client.on('reconnect scheduled', (options) => scheduled.push(options.scheduled));
  await opened(client);
  server.spark.write('primus::server::retry::77');
  server.spark.write('said');
  await raised(client, 'data');
  const failed = raised(client, 'gave up');
  await server.stop();
  await failed;
  assert.equal(scheduled[0], 77);
  assert.ok(scheduled.length === 2 && scheduled[1] >= 40 && scheduled[1] <= 60, String(scheduled));
});

test('a real Primus client swallows the hint', async (t) => {
  const { server, create } = await setUp(t);
  const client = create('real');
  const data = [];
  client.on('data', (value) => data.push(value));
  await opened(client);
  server.spark.write('primus::server::retry::123');
  server.spark.write('end');
  await until(() => data.includes('end'), 'the end');
  assert.deepEqual(data, ['end']);
});

test('codes of a close say whether to come back, and are told', async (t) => {
  const server = await frames(t);
  for (const [code, reason, isFinal] of [
    [1000, '', false], [1000, 'logged out', true], [1001, 'restart', false], [4499, 'x', false], [4500, '', true],
    [4999, 'banned', true], [3008, 'slow', false],
  ]) {
    const client = server.create({ reconnect: { min: 60000 } });
    await raised(client, 'open');
    const closed = raised(client, 'close');
    server.socket.close(code, reason);
    const [info] = await closed;
    assert.deepEqual(info, { code, reason });
    assert.equal(client.recovery.reconnecting(), !isFinal, `${code} ${reason}`);
    client.end();
  }
});

each(test, 'a refusal of the first connection is an error, then the end', {
  authorization: (request, done) => done({ statusCode: 403, message: 'no' }),
}, async ({ server, transformer, create }) => {
  const client = create({}, { settings: { authorization: true } });
  assert.equal(client.authorization, true);
  assert.equal(client.options.strategy, 'disconnect,online');
  const ended = raised(client, 'end');
  const [error] = await raised(client, 'error');
  await ended;
  assert.match(error.message, /403/);
  assert.equal(client.readyState, 2);
  assert.equal(client.recovery.reconnecting(), false);
  assert.ok(server.requests.length >= 1 && transformer);
});

each(test, 'a message that is too long ends the connection, which comes back', { maxLength: 1000 }, async ({ server, create }) => {
  const client = create();
  client.on('error', () => {});
  await opened(client);
  const closed = raised(client, 'close');
  const returned = raised(client, 'reconnected');
  client.write('x'.repeat(2000));
  const [info] = await closed;
  assert.equal(info?.code, 1009);
  await returned;
  await opened(client);
  client.write('short');
  await until(() => server.received.length === 1, 'the short one');
  assert.deepEqual(server.received, ['short']);
});

each(test, 'a restart of the server is survived, the queue with it', {}, async ({ server, create }) => {
  const client = create({ reconnect: { min: 20, max: 40, retries: 100 } });
  client.on('error', () => {});
  await opened(client);
  const lost = raised(client, 'reconnect scheduled');
  await server.stop();
  await lost;
  client.write('kept');
  await server.start();
  await until(() => server.received.length === 1, 'what was kept');
  assert.equal(server.sparks.length, 2);
});

test('the user may end, reopen or destroy in the listener of a loss', async (t) => {
  const server = await frames(t);
  for (const action of ['end', 'destroy']) {
    const client = server.create();
    const names = record(client);
    await raised(client, 'open');
    client.on('close', () => client[action]());
    const closed = raised(client, 'close');
    server.socket.close();
    await closed;
    assert.equal(client.recovery.reconnecting(), false, action);
    assert.equal(names.includes('reconnect scheduled'), false, action);
  }
  const client = server.create({ strategy: false });
  await raised(client, 'open');
  client.once('end', () => client.open());
  server.socket.close();
  await raised(client, 'open');
  assert.equal(client.readyState, 3);
});

test('manual opening, and states', async (t) => {
  const server = await frames(t);
  const client = server.create({ manual: true });
  const states = [];
  client.on('readyStateChange', (name) => states.push([name, client.readyState, client.writable, client.readable]));
  assert.equal(client.readyState, 2);
  assert.equal(client.timers.active('open'), false);
  assert.equal(client.end(), client);
  assert.deepEqual(states, []);
  assert.equal(client.open(), client);
  await raised(client, 'open');
  client.end();
  assert.deepEqual(states, [['opening', 1, true, true], ['open', 3, true, true], ['end', 2, false, false]]);
  client.destroy();
  assert.equal(client.open(), client);
  assert.equal(client.readyState, 2);
});

test('strategies are a list or a text', () => {
  const Client = load();
  const strategy = (value, filled) => new (filled ? load('primus-ws.js', filled) : Client)({ manual: true, strategy: value }).options.strategy;
  assert.equal(strategy(), 'disconnect,online,timeout');
  assert.equal(strategy([]), 'disconnect,online,timeout');
  assert.equal(strategy('Timeout ,  ONLINE'), 'timeout,online');
  assert.equal(strategy(['online', 'disconnect']), 'online,disconnect');
  assert.equal(strategy(false), '');
  assert.equal(strategy(undefined, { settings: { authorization: true } }), 'disconnect,online');
});

// A page whose network comes and goes.
function browser(globals) {
  const listeners = {};
  const window = page('primus-ws.min.js', {}, {
    navigator: { onLine: true },
    location: { protocol: 'https:', host: 'example.org:8443', hostname: 'example.org', port: '8443' },
    addEventListener: (event, fn) => { listeners[event] = [...(listeners[event] ?? []), fn]; },
    removeEventListener: (event, fn) => { listeners[event] = listeners[event].filter((other) => other !== fn); },
    WebSocket: class {
      constructor(url) {
        Object.assign(this, { url, readyState: 1 });
        window.socket = this;
      }

      send() {}

      close() { this.isClosed = true; }
    },
    ...globals,
  });
  const go = (event) => listeners[event].forEach((fn) => fn({ type: event }));
  return { window, listeners, go };
}

test('a browser that goes offline ends the connection, and comes back with the network', async (t) => {
  const { window, listeners, go } = browser();
  const client = new window.Primus({ reconnect: { min: 20 } });
  t.after(() => client.destroy());
  const names = record(client);
  await until(() => window.socket, 'a socket');
  assert.match(window.socket.url, /^wss:\/\/example\.org:8443\/primus\?_primuscb=/);
  window.socket.onopen();
  names.length = 0;
  go('offline');
  go('offline');
  assert.deepEqual(names, ['offline', 'readyStateChange end', 'outgoing::end', 'close', 'end']);
  assert.equal(window.socket.isClosed, true);
  names.length = 0;
  go('online');
  go('online');
  assert.deepEqual(names, ['online', 'reconnect scheduled']);
  const first = window.socket;
  await until(() => window.socket !== first, 'another socket');
  client.end();
  // Whoever ended it is not to be called back by the network.
  names.length = 0;
  go('offline');
  go('online');
  assert.deepEqual(names, ['offline', 'online']);
  client.destroy();
  assert.deepEqual(Object.values(listeners).flat(), []);
});

test('without the strategy or the wish the network decides nothing', (t) => {
  const { window, listeners, go } = browser({ navigator: { onLine: false } });
  const client = new window.Primus({ strategy: 'disconnect', manual: true });
  const other = new window.Primus({ network: false, manual: true });
  t.after(() => [client, other].forEach((one) => one.destroy()));
  assert.equal(listeners.online.length, 1);
  assert.equal(client.online, false);
  assert.equal(client.NETWORK_EVENTS, true);
  assert.equal(other.NETWORK_EVENTS, false);
  const names = record(client);
  go('online');
  assert.deepEqual(names, ['online']);
});

test('a server that answers something else is an error of the attempt', async (t) => {
  const server = http.createServer((request, response) => response.end('<html>'));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  for (const file of ['primus-ws.min.js', 'primus-polling.min.js', 'primus-ws-polling.min.js']) {
    const client = new (load(file))(`http://127.0.0.1:${server.address().port}`, { strategy: false });
    const ended = raised(client, 'end');
    const [error] = await raised(client, 'error');
    assert.ok(error instanceof Error && /200/.test(error.message), error.message);
    await ended;
    client.destroy();
  }
  server.closeAllConnections();
});
