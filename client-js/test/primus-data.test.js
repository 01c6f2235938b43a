'use strict';

// Messages: what reaches the other side, what exactly is sent, the queue, transforms, parsers, plugins.

const { test } = require('node:test');
const assert = require('node:assert/strict');
const { once } = require('node:events');
const { FILES, load, setUp, frames, each, opened } = require('./support/primus');
const { limited, raised, until } = require('./support/wait');

const VALUES = [
  null, 0, -1.5, '', 'text', 'ä€😀', 'line\u2028and\u2029paragraph', '\u001e', true, [], {}, { a: [{ b: 'ü' }] },
];

each(test, 'values arrive as they left, in order, both ways', {}, async ({ server, create }) => {
  server.connected = (spark) => spark.on('data', (data) => spark.write(data));
  const client = create();
  const echoed = [];
  client.on('data', (data) => echoed.push(data));
  VALUES.forEach((value) => assert.equal(client.write(value), true));
  await opened(client);
  VALUES.forEach((value) => client.write(value));
  await until(() => echoed.length === 2 * VALUES.length, 'all echoes');
  assert.deepEqual(server.received, [...VALUES, ...VALUES]);
  assert.deepEqual(echoed, [...VALUES, ...VALUES]);
});

each(test, 'a large message and a burst arrive whole', {}, async ({ server, create }) => {
  server.connected = (spark) => spark.on('data', (data) => spark.write(data));
  const client = create();
  const echoed = [];
  client.on('data', (data) => echoed.push(data));
  const sent = ['x'.repeat(1000000), ...Array.from({ length: 500 }, (_, n) => ({ n }))];
  sent.forEach((value) => client.write(value));
  await until(() => echoed.length === sent.length, 'all echoes');
  assert.deepEqual(echoed, sent);
});

each(test, 'id is the id of the spark', {}, async ({ server, create }) => {
  const client = create();
  const [early] = await limited(new Promise((resolve) => client.id((...args) => resolve(args))), 'the id');
  assert.equal(early, server.spark.id);
  const [again] = await limited(new Promise((resolve) => client.id((...args) => resolve(args))), 'the id again');
  assert.equal(again, early);
});

each(test, 'what is written before the end still arrives', {}, async ({ server, create }) => {
  const client = create();
  await raised(client, 'open');
  client.write('last but one');
  client.end('last');
  await until(() => server.received.length === 2, 'both');
  assert.deepEqual(server.received, ['last but one', 'last']);
  await until(() => server.primus.connected === 0, 'the server to notice the end');
});

each(test, 'what is written after the end is sent after the next opening', {}, async ({ server, create }) => {
  const client = create();
  await opened(client);
  client.end();
  client.write('kept');
  assert.deepEqual(client.buffer, ['kept']);
  client.open();
  await until(() => server.received.length === 1, 'what was kept');
  assert.deepEqual(server.received, ['kept']);
});

each(test, 'bytes arrive as an ArrayBuffer, past the JSON parser', {}, async ({ server, create }) => {
  const bytes = Buffer.from([0, 255, 128, 10]);
  // As bytes, whatever the parser of the server makes of values.
  server.connected = (spark) => spark.emit('outgoing::data', bytes);
  const client = create();
  const [data, raw] = await raised(client, 'data');
  assert.ok(data instanceof ArrayBuffer);
  assert.equal(data, raw);
  assert.deepEqual(Buffer.from(data), bytes);
});

test('golden bytes: a WebSocket', async (t) => {
  const server = await frames(t);
  const client = server.create();
  client.write({ early: true });
  client.write('hello');
  client.id(() => {});
  await raised(client, 'open');
  assert.match(server.request.url, /^\/primus\?_primuscb=[\w-]+(\.[\w-]+)?$/);
  assert.equal(server.request.headers['sec-websocket-protocol'], undefined);
  for (const number of ['1795343334895', '1.5e3', 'abc', '']) server.socket.send(`"primus::ping::${number}"`);
  await until(() => server.frames.length === 7, 'four pongs');
  client.write('\u2028\u2029');
  client.write(undefined);
  client.write(NaN);
  await until(() => server.frames.length === 9, 'the rest');
  assert.deepEqual(server.frames, [
    '{"early":true}', '"hello"', '"primus::id::"',
    '"primus::pong::1795343334895"', '"primus::pong::1500"', '"primus::pong::NaN"', '"primus::pong::0"',
    '"\\u2028\\u2029"', 'null',
  ]);
  const closed = once(server.socket, 'close');
  client.end();
  const [code, reason] = await closed;
  assert.deepEqual([code, String(reason)], [1005, '']);
});

test('golden bytes: the URL', async (t) => {
  const server = await frames(t);
  const client = server.create({ url: undefined });
  client.url = client.parse(`${server.url}/some/path?a=1&b&a=2&c=%20x#h`);
  await raised(client, 'open');
  assert.match(server.request.url, /^\/primus\?a=1&b=&c=%20x&_primuscb=[\w.-]+$/);
});

test('golden bytes: engine.io', async (t) => {
  const { server, create, XMLHttpRequest } = await setUp(t, { transformer: 'engine.io' });
  const client = create('primus-polling.min.js', { websockets: false });
  client.write({ early: true });
  client.write('a\u2028b');
  await until(() => server.received.length === 2, 'both');
  client.end('bye');
  await until(() => server.received.length === 3, 'the last');
  const [opening, ...rest] = XMLHttpRequest.requests;
  assert.match(opening.url, /^\/primus\/\?_primuscb=[\w.-]+&EIO=4&transport=polling&t=[\w.-]+$/);
  assert.ok(rest.every(({ url }) => /^\/primus\/\?_primuscb=[\w.-]+&EIO=4&transport=polling&sid=[\w-]+&t=[\w.-]+$/.test(url)));
  const bodies = rest.filter(({ method }) => method === 'POST').map(({ body }) => body);
  assert.deepEqual(bodies, ['4{"early":true}\x1e4"a\\u2028b"', '4"bye"\x1e1']);
});

test('the protocol is parsed as Primus does', async (t) => {
  const server = await frames(t);
  const client = server.create();
  await raised(client, 'open');
  const ids = [];
  const data = [];
  client.on('incoming::id', (id) => ids.push(id));
  client.on('data', (value) => data.push(value));
  // Without a separator the name loses its last character; unknown names are data, unknown wishes of the server none.
  for (const text of ['primus::id::x', 'primus::idx', 'primus::server::unknown', 'primus::foo::1', 'primus:', 'end']) {
    server.socket.send(JSON.stringify(text));
  }
  await until(() => data.includes('end'), 'the end');
  assert.deepEqual(ids, ['x', 'rimus::idx']);
  assert.deepEqual(data, ['primus::foo::1', 'primus:', 'end']);
});

test('what cannot be parsed is an error, and nothing more', async (t) => {
  const server = await frames(t);
  const client = server.create();
  await raised(client, 'open');
  const failed = raised(client, 'error');
  server.socket.send('{');
  assert.ok((await failed)[0] instanceof SyntaxError);
  const circular = {};
  circular.self = circular;
  const unsent = raised(client, 'error');
  assert.equal(client.write(circular), true);
  assert.ok((await unsent)[0] instanceof TypeError);
  assert.equal(client.readyState, 3);
  client.removeAllListeners('error');
  server.socket.send('{');
  server.socket.send('1');
  assert.equal((await raised(client, 'data'))[0], 1);
});

test('the queue drops the oldest, and says so', (t) => {
  const Client = load();
  const dropped = [];
  const client = new Client('http://127.0.0.1:1', { manual: true, queueSize: 2 });
  t.after(() => client.destroy());
  client.on('dropped', (data) => dropped.push(data));
  [1, 2, 3, 4].forEach((value) => assert.equal(client.write(value), true));
  assert.deepEqual(client.buffer, [3, 4]);
  assert.deepEqual(dropped, [1, 2]);
  const other = new Client('http://127.0.0.1:1', { manual: true });
  for (let value = 0; value <= 1000; value++) other.write(value);
  assert.equal(other.buffer.length, 1000);
  assert.equal(other.buffer[0], 1);
  assert.equal(other.destroy(), true);
  assert.equal(other.write(1), false);
});

each(test, 'transforms change, drop and fail, in both directions', {}, async ({ server, create }) => {
  server.connected = (spark) => ['keep', 'drop', 'fail', 'last'].forEach((data) => spark.write(data));
  const client = create();
  const data = [];
  const errors = [];
  client.on('error', (error) => errors.push(error.message));
  client.on('data', (value, raw) => data.push([value, raw]));
  for (const direction of ['incoming', 'outgoing']) {
    client.transform(direction, function (packet) {
      assert.equal(this, client);
      packet.data = `${direction} ${packet.data}`;
      return !packet.data.endsWith('drop');
    });
    client.transform(direction, function (packet, next) {
      assert.equal(this, client);
      setTimeout(() => next(packet.data.endsWith('fail') ? new Error(packet.data) : undefined), 1);
    });
  }
  ['keep', 'drop', 'fail', 'last'].forEach((value) => client.write(value));
  await until(() => server.received.length === 2 && data.length === 2, 'the rest');
  assert.deepEqual(server.received, ['outgoing keep', 'outgoing last']);
  assert.deepEqual(data, [['incoming keep', '"keep"'], ['incoming last', '"last"']]);
  assert.deepEqual(errors.sort(), ['incoming fail', 'outgoing fail']);
});

test('slow transforms do not let later messages pass', async (t) => {
  const server = await frames(t);
  const client = server.create();
  await raised(client, 'open');
  const pending = [];
  client.transform('outgoing', (packet, next) => {
    if (packet.data === 'slow') pending.push(next);
    else next();
  });
  ['slow', 'fast', 'slow', 'faster'].forEach((value) => client.write(value));
  assert.equal(pending.length, 1);
  pending[0]();
  pending[0](new Error('called twice'), false);
  assert.equal(pending.length, 2);
  pending[1](undefined, false);
  await until(() => server.frames.length === 3, 'three');
  assert.deepEqual(server.frames, ['"slow"', '"fast"', '"faster"']);
});

test('the number of parameters decides: none and one are synchronous', async (t) => {
  const server = await frames(t);
  const client = server.create();
  await raised(client, 'open');
  let calls = 0;
  client.transform('outgoing', () => { calls++; });
  client.transform('outgoing', function () { return arguments[0].data !== 'drop'; });
  ['a', 'drop', 'b'].forEach((value) => client.write(value));
  await until(() => server.frames.length === 2, 'two');
  assert.deepEqual(server.frames, ['"a"', '"b"']);
  assert.equal(calls, 3);
  assert.throws(() => client.transform('sideways', () => {}), /Invalid transformer type/);
});

test('a transform that throws loses its own message only', async (t) => {
  const server = await frames(t);
  const client = server.create();
  await raised(client, 'open');
  const errors = [];
  client.on('error', (error) => errors.push(error.message));
  client.transform('outgoing', (packet) => { if (packet.data === 1) throw new Error('sync'); });
  client.transform('outgoing', (packet, next) => {
    if (packet.data === 2) throw new Error('async');
    next();
  });
  [1, 2, 3].forEach((value) => client.write(value));
  await until(() => server.frames.length === 1, 'the third');
  assert.deepEqual(server.frames, ['3']);
  assert.deepEqual(errors, ['sync', 'async']);
});

test('control messages pass the transforms by', async (t) => {
  const server = await frames(t);
  const client = server.create();
  client.transform('outgoing', () => false);
  client.transform('incoming', () => false);
  await raised(client, 'open');
  server.socket.send('"primus::ping::1"');
  client.id(() => {});
  await until(() => server.frames.length === 2, 'pong and id');
  assert.deepEqual(server.frames.sort(), ['"primus::id::"', '"primus::pong::1"']);
});

// Hexadecimal text in a frame of bytes: nothing that JSON could be taken for.
const HEX = `{
  name: 'hex', binary: true,
  encoder: function (data, fn) {
    if (data === 'bad') return fn(new Error('bad value'));
    fn(null, new TextEncoder().encode(JSON.stringify(data)));
  },
  decoder: function (data, fn) {
    fn(null, typeof data === 'string' ? 'text: ' + data : JSON.parse(new TextDecoder().decode(data)));
  }
}`;

const SERVER_HEX = {
  encoder: (data, fn) => fn(null, Buffer.from(JSON.stringify(data))),
  decoder: (data, fn) => fn(null, JSON.parse(typeof data === 'string' ? data : Buffer.from(data).toString())),
};

each(test, 'a parser of bytes', { parser: SERVER_HEX }, async ({ server, create }) => {
  server.connected = (spark) => spark.on('data', (data) => spark.write({ echo: data }));
  const client = create({}, { parser: HEX });
  const failed = raised(client, 'error');
  client.write('ä');
  client.write('bad');
  const [data, raw] = await raised(client, 'data');
  assert.deepEqual(data, { echo: 'ä' });
  assert.ok(raw instanceof ArrayBuffer);
  assert.equal((await failed)[0].message, 'bad value');
  assert.equal(await limited(new Promise((resolve) => client.id(resolve)), 'the id'), server.spark.id);
  const ended = raised(client, 'end');
  server.spark.end();
  await ended;
  assert.equal(client.recovery.reconnecting(), false);
});

test('what is filled in may begin and end with comments, and sees `Primus` and globals only', () => {
  for (const file of FILES) {
    const Client = load(file, {
      parser: `// a parser\n{ encoder: function (data, fn) { fn(null, typeof e + typeof t + typeof $ + typeof settings); }, decoder: null } // ends`,
      plugins: `// plugins\n[{ name: 'a', client: function () { this.made = new Primus.EventEmitter(); }, library: null }] // end`,
    });
    const client = new Client({ manual: true });
    assert.ok(client.made instanceof Client.EventEmitter);
    client.encoder(1, (error, text) => assert.equal(text, 'undefined'.repeat(4), file));
  }
});

each(test, 'plugins run in each client, libraries once', {}, async ({ create }) => {
  const plugins = `[
    { name: 'counter', client: function (primus, options) {
      primus.isSame = primus === this;
      primus.seen = [options.wish, typeof primus.listeners('outgoing::open')[0]];
      primus.transform('outgoing', function (packet) { packet.data = 'counted ' + packet.data; });
    }, library: function (Primus) { Primus.runs = (Primus.runs || 0) + 1; } },
    { name: 'empty', client: null, library: null }
  ]`;
  const client = create({ wish: 7 }, { plugins });
  assert.equal(client.constructor.runs, 1);
  assert.equal(client.isSame, true);
  assert.deepEqual(client.seen, [7, 'function']);
  assert.deepEqual(Object.keys(client.plugin()), ['counter']);
  assert.equal(client.plugin('counter'), client.constructor.prototype.ark.counter);
  assert.equal(client.plugin('empty'), undefined);
  client.write('x');
  assert.deepEqual(client.buffer, ['counted x']);
});
