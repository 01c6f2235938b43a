'use strict';

// The order of events, on the real client of npm `primus` first, so that the lists here are not ours alone, and
// then on the generated ones. What is meant to differ has `ours` or `real` in front.

const { test } = require('node:test');
const assert = require('node:assert/strict');
const net = require('node:net');
const { setUp, record, opened } = require('./support/primus');
const { raised, until } = require('./support/wait');

const KINDS = [
  ['real', 'websockets'],
  ['primus-ws.min.js', 'websockets'],
  ['primus-ws-polling.min.js', 'websockets'],
  ['primus-polling.min.js', 'engine.io'],
];
const RETRY = { min: 20, max: 60, retries: 3 };
const OPENING = ['outgoing::open', 'readyStateChange opening', 'outgoing::end', 'outgoing::url'];
const AGAIN = ['outgoing::reconnect', ...OPENING, 'reconnect'];

// The list for this kind of client.
function listed(kind, names) {
  const other = kind === 'real' ? 'ours ' : 'real ';
  return names.filter((name) => !name.startsWith(other)).map((name) => name.replace(/^(ours|real) /, ''));
}

function each(name, serve, options, play) {
  for (const [kind, transformer] of KINDS) {
    test(`${name} (${kind})`, async (t) => {
      const { server, create } = await setUp(t, { transformer, ...serve });
      const client = create(kind, { reconnect: RETRY, ...options });
      const names = record(client);
      const same = (expected) => assert.deepEqual(names, listed(kind, expected));
      await play({ t, kind, server, client, names, same });
    });
  }
}

each('open, with early writes', {}, {}, async ({ server, client, same }) => {
  client.write('a');
  client.write('b');
  await raised(client, 'open');
  same([...OPENING, 'incoming::open', 'readyStateChange open', 'outgoing::data', 'outgoing::data', 'open']);
  await until(() => server.received.length === 2, 'both');
  assert.deepEqual(server.received, ['a', 'b']);
});

each('ping', {}, {}, async ({ server, client, names, same }) => {
  await opened(client);
  names.length = 0;
  server.spark.heartbeat();
  await raised(client, 'outgoing::data');
  same(['incoming::data', 'incoming::ping', 'outgoing::pong', 'outgoing::data']);
});

each('data', {}, {}, async ({ server, client, names, same }) => {
  await opened(client);
  names.length = 0;
  server.spark.write({ a: 1 });
  assert.equal(JSON.stringify(await raised(client, 'data')), JSON.stringify([{ a: 1 }, '{"a":1}']));
  same(['incoming::data', 'data']);
});

each('end of the client', {}, {}, async ({ client, names, same }) => {
  await opened(client);
  names.length = 0;
  assert.equal(client.end('bye'), client);
  same(['outgoing::data', 'readyStateChange end', 'outgoing::end', 'close', 'end']);
  client.end();
  assert.equal(names.length, 5);
});

each('end before the first opening', {}, {}, async ({ client, same }) => {
  client.end();
  same(['outgoing::end', 'close', 'end']);
});

each('end by the server', {}, {}, async ({ server, client, names, same }) => {
  await opened(client);
  names.length = 0;
  server.spark.end();
  await raised(client, 'end');
  same(['incoming::data', 'incoming::end', 'readyStateChange end', 'outgoing::end', 'close', 'end']);
  assert.equal(client.recovery.reconnecting(), false);
});

each('loss and return', {}, {}, async ({ server, client, names, same }) => {
  await opened(client);
  names.length = 0;
  const returned = raised(client, 'reconnected');
  server.spark.end(undefined, { reconnect: true });
  await returned;
  await opened(client);
  same([
    'incoming::end', 'readyStateChange end', 'close', 'reconnect scheduled', ...AGAIN,
    'incoming::open', 'reconnected', 'readyStateChange open', 'open',
  ]);
});

each('loss without the strategy for it', {}, { strategy: false }, async ({ server, client, names, same }) => {
  await opened(client);
  names.length = 0;
  const ended = raised(client, 'end');
  server.spark.end(undefined, { reconnect: true });
  await ended;
  same(['incoming::end', 'readyStateChange end', 'close', 'outgoing::end', 'end']);
});

each('failed attempts, then giving up', {}, {}, async ({ kind, server, client, names, same }) => {
  await opened(client);
  names.length = 0;
  const failed = raised(client, 'reconnect failed');
  await server.stop();
  const [error, options] = await failed;
  assert.equal(error.message, 'Unable to recover');
  assert.equal(options.attempt, 3);
  await until(() => client.readyState === 2, 'the end of the last attempt');
  same([
    'incoming::end', 'readyStateChange end', 'close', 'reconnect scheduled',
    ...AGAIN, 'incoming::error', 'reconnect scheduled', 'incoming::end', 'readyStateChange end',
    ...AGAIN, 'incoming::error', 'reconnect scheduled', 'incoming::end', 'readyStateChange end',
    ...AGAIN, 'incoming::error', 'end', 'reconnect failed', 'ours gave up', 'incoming::end', 'readyStateChange end',
  ]);
  if (kind !== 'real') assert.ok(options.error instanceof Error, 'the cause is told');
});

each('failure, then success', {}, { reconnect: { min: 20, max: 60, retries: 50 } }, async ({ server, client, names }) => {
  await opened(client);
  names.length = 0;
  const retried = raised(client, 'incoming::error');
  await server.stop();
  await retried;
  const returned = raised(client, 'reconnected');
  await server.start();
  const [options] = await returned;
  assert.ok(options.attempt >= 2);
  await opened(client);
  assert.equal(names.includes('error'), false);
  assert.deepEqual(names.slice(-4), ['incoming::open', 'reconnected', 'readyStateChange open', 'open']);
});

each('first connection refused, without strategy', {}, { manual: true, strategy: false }, async ({ server, client, same }) => {
  await server.stop();
  client.open();
  await raised(client, 'end');
  same([...OPENING, 'incoming::error', 'error', 'readyStateChange end', 'outgoing::end', 'close', 'end']);
});

each('first connection refused, with strategy', {}, { manual: true, reconnect: { min: 20, retries: 1 } }, async ({ server, client, same }) => {
  await server.stop();
  client.open();
  await raised(client, 'reconnect failed');
  await until(() => client.readyState === 2, 'the end of the last attempt');
  same([
    ...OPENING, 'incoming::error', 'error', 'reconnect scheduled', 'incoming::end', 'readyStateChange end',
    ...AGAIN, 'incoming::error', 'end', 'reconnect failed', 'ours gave up', 'incoming::end', 'readyStateChange end',
  ]);
});

each('no retries wished', {}, { manual: true, reconnect: { retries: 0 } }, async ({ server, client, same }) => {
  await server.stop();
  client.open();
  await raised(client, 'reconnect failed');
  await until(() => client.readyState === 2, 'the end of the attempt');
  same([
    ...OPENING, 'incoming::error', 'error', 'end', 'reconnect failed', 'ours gave up', 'incoming::end', 'readyStateChange end',
  ]);
});

each('end while waiting to come back', {}, { reconnect: { min: 60000 } }, async ({ server, client, names, same }) => {
  await opened(client);
  const scheduled = raised(client, 'reconnect scheduled');
  server.spark.end(undefined, { reconnect: true });
  await scheduled;
  names.length = 0;
  client.end();
  same(['end']);
  assert.equal(client.recovery.reconnecting(), false);
});

each('silence of the server', { pingInterval: false }, { pingTimeout: 60 }, async ({ client, names, same }) => {
  await raised(client, 'online');
  names.splice(0, names.indexOf('offline'));
  same([
    'offline', 'incoming::end', 'readyStateChange end', 'close', 'reconnect scheduled', ...AGAIN,
    'incoming::open', 'reconnected', 'online', 'readyStateChange open', 'open',
  ]);
});

each('destroy', {}, {}, async ({ client, names, same }) => {
  await opened(client);
  names.length = 0;
  assert.equal(client.destroy(), true);
  same(['readyStateChange end', 'outgoing::end', 'close', 'end', 'destroy']);
  assert.equal(client.destroy(), false);
  assert.deepEqual(client.listeners('data'), []);
});

// A server that takes connections and says nothing, in the place of the one that was there.
async function silence(t, server) {
  await server.stop();
  const sockets = [];
  const silent = net.createServer((socket) => {
    socket.on('error', () => {});
    sockets.push(socket);
  });
  await new Promise((resolve) => silent.listen(server.port, '127.0.0.1', resolve));
  t.after(() => {
    sockets.forEach((socket) => socket.destroy());
    silent.close();
  });
}

each('first connection hangs, with strategy', {}, { manual: true, timeout: 50 }, async ({ t, server, client, same }) => {
  await silence(t, server);
  client.open();
  await raised(client, 'reconnect scheduled');
  same([...OPENING, 'timeout', 'reconnect scheduled']);
});

each('first connection hangs, without strategy', {}, { manual: true, timeout: 50, strategy: false }, async ({ t, server, client, same }) => {
  await silence(t, server);
  client.open();
  await raised(client, 'end');
  same([...OPENING, 'timeout', 'readyStateChange end', 'outgoing::end', 'close', 'end']);
});

const HURRY = { reconnect: { min: 20, retries: 2, 'reconnect timeout': '50 ms' } };

each('attempts that hang, then giving up', {}, HURRY, async ({ kind, t, server, client, names, same }) => {
  await opened(client);
  names.length = 0;
  const failed = raised(client, 'reconnect failed');
  await silence(t, server);
  await failed;
  if (kind !== 'real') await until(() => client.readyState === 2, 'the end of the last attempt');
  same([
    'incoming::end', 'readyStateChange end', 'close', 'reconnect scheduled',
    ...AGAIN, 'reconnect timeout', 'reconnect scheduled',
    'outgoing::reconnect', 'outgoing::open', 'outgoing::end', 'outgoing::url', 'reconnect',
    'reconnect timeout', 'end', 'reconnect failed',
    // The real client leaves the last socket as it hangs, and its state with it.
    'ours gave up', 'ours readyStateChange end', 'ours outgoing::end',
  ]);
});
