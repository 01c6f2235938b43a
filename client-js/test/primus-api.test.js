'use strict';

// The surface of the client object, where possible beside that of the real one.

const { test } = require('node:test');
const assert = require('node:assert/strict');
const http = require('node:http');
const { PassThrough } = require('node:stream');
const Primus = require('primus');
const { load, page } = require('./support/primus');

const Real = Primus.createSocket({ transformer: 'websockets', parser: 'json' });
const Ours = load();
const plain = (value) => JSON.parse(JSON.stringify(value));
const pair = (url, options) => [Real, Ours].map((Client) => new Client(url, { manual: true, ...options }));

test('statics', () => {
  assert.deepEqual([Ours.OPENING, Ours.CLOSED, Ours.OPEN], [1, 2, 3]);
  assert.deepEqual([Ours.OPENING, Ours.CLOSED, Ours.OPEN], [Real.OPENING, Real.CLOSED, Real.OPEN]);
  const missing = Object.keys(Real).filter((name) => !(name in Ours) && name !== 'super_');
  assert.deepEqual(missing, []);
  assert.equal(Ours.Primus, Ours);
  assert.equal(Ours.requires('a module that is not there'), undefined);
});

test('methods and properties', () => {
  const [real, ours] = pair('http://localhost');
  // `transforms` and `_write` are the real one's own affair.
  const missing = [...Object.keys(Real.prototype), ...Object.keys(real).filter((name) => name[0] !== '_')]
    .filter((name) => !(name in ours) && !['transforms', '_write'].includes(name));
  assert.deepEqual(missing, []);
  assert.deepEqual(plain(ours.transformers), { outgoing: [], incoming: [] });
  assert.equal(ours.version, '8.0.9');
  assert.equal(ours.pathname, '/primus');
  const { queueSize, ...options } = ours.options;
  assert.equal(queueSize, 1000);
  const { queueSize: realSize, ...realOptions } = real.options;
  assert.equal(realSize, Infinity);
  assert.deepEqual({ ...options }, { ...plain(realOptions), pingTimeout: 45000 });
});

test('constructors', () => {
  for (const client of [
    new Ours('http://example.org:81/x', { manual: true }), Ours('http://example.org:81/x', { manual: true }),
    Ours.connect('http://example.org:81/x', { manual: true }), new Ours({ url: 'http://example.org:81/x', manual: true }),
    new Ours({ uri: 'http://example.org:81/x', manual: true }),
  ]) {
    assert.ok(client instanceof Ours && client instanceof Ours.EventEmitter);
    assert.equal(client.url.host, 'example.org:81');
    assert.equal(client.options.manual, true);
  }
  assert.equal(new Ours({ manual: true }).url.href, 'http://127.0.0.1/');
  const Fixed = load('primus-ws.js', { settings: { url: 'https://fixed.example' } });
  assert.equal(new Fixed({ manual: true }).url.origin, 'https://fixed.example');
  assert.equal(new Fixed('http://given.example', { manual: true }).url.origin, 'http://given.example');
  for (const name of ['ping', 'pong']) assert.throws(() => new Ours({ [name]: 1, manual: true }), /`ping` and `pong`/);
  const options = { manual: true };
  new Ours(options);
  assert.deepEqual(options, { manual: true });
});

test('in a page the default is where the page is from', () => {
  const location = { protocol: 'https:', host: 'example.org:8443', hostname: 'example.org', port: '8443' };
  const window = page('primus-ws.min.js', {}, { location });
  assert.equal(new window.Primus({ manual: true }).url.origin, 'https://example.org:8443');
  assert.equal(new window.Primus('//cdn.example/x', { manual: true }).url.href, 'https://cdn.example/x');
  assert.equal(new window.Primus('/only/a/path', { manual: true }).url.origin, 'https://example.org:8443');
});

test('URLs are taken apart and put together as by the real one', () => {
  for (const url of [
    'http://localhost', 'https://u:p@h.example:8443/some/path?a=1', 'ws://h', 'wss://h:443/', 'http://[::1]:80/?x=%41', 'http://h?',
    'http://H.example:8080/?a=1&b&a=2&c=%20x+y#frag', 'https://u@h/?q=%zz', 'http://h/?=1&&k',
  ]) {
    const [real, ours] = pair(url);
    assert.deepEqual(plain(ours.url), plain(real.url), url);
    const parts = [real, ours].map((client) => {
      let seen;
      client.on('outgoing::url', (options) => { seen = { ...options, query: options.query.replace(/_primuscb=[\w.-]+$/, 'CB') }; });
      const text = client.uri({ protocol: 'ws:', query: true }).replace(/_primuscb=[\w.-]+$/, 'CB');
      const object = client.uri({ protocol: 'http:', query: true, object: true });
      return { seen, text, short: client.uri({ protocol: 'http:' }), object: { ...object, query: '' } };
    });
    assert.deepEqual(plain(parts[1]), plain(parts[0]), url);
  }
});

test('listeners of outgoing::url may change the parts', () => {
  const urls = pair('http://h').map((client) => {
    client.on('outgoing::url', (options) => {
      Object.assign(options, { query: 'token=1', secure: true, pathname: '/other', auth: 'a:b' });
    });
    return client.uri({ protocol: 'ws:', query: true });
  });
  assert.deepEqual(urls, ['wss://a:b@h/other?token=1', 'wss://a:b@h/other?token=1']);
});

test('_primuscb is the time in base 64, and different each time', () => {
  const client = new Ours({ manual: true });
  const values = Array.from({ length: 200 }, () => client.querystring(client.uri({ protocol: 'ws:', query: true }).split('?')[1])._primuscb);
  assert.equal(new Set(values).size, 200);
  const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_';
  const time = [...values[0].split('.')[0]].reduce((sum, digit) => sum * 64 + alphabet.indexOf(digit), 0);
  assert.ok(Math.abs(Date.now() - time) < 5000, values[0]);
});

test('small functions', () => {
  const [real, ours] = pair('http://localhost');
  for (const query of ['?a=1&b&c=%20x+y', 'a=1&a=2', '', '?', 'x=%zz', 'a=b=c']) {
    assert.deepEqual(plain(ours.querystring(query)), plain(real.querystring(query)), query);
  }
  for (const args of [[{ a: 1, b: null, c: 'ä &' }], [{ a: 1 }, true], [{}, true], [{ a: 1 }, '#'], [{ a: undefined, b: 0 }]]) {
    assert.equal(ours.querystringify(...args), real.querystringify(...args), JSON.stringify(args));
  }
  const inner = { y: 1 };
  assert.deepEqual(ours.merge({ a: 1 }, { b: 2 }, { a: 3, c: inner }), { a: 3, b: 2, c: inner });
  assert.deepEqual(ours.clone({ x: inner }), { x: inner });
  assert.equal(ours.parse('https://h:8443/p?q=1').port, '8443');
});

test('reserved names', () => {
  for (const name of Object.keys(Real.prototype.reserved.events)) assert.equal(Ours.prototype.reserved(name), true, name);
  for (const name of ['incoming::x', 'outgoing::data', 'gave up', 'dropped']) assert.equal(Ours.prototype.reserved(name), true, name);
  for (const name of ['news', 'incoming', 'incoming:data', 'my outgoing::x', 'toString']) {
    assert.equal(Object.create(Ours.prototype).reserved(name), false, name);
  }
});

test('emits makes functions that emit', () => {
  for (const client of pair('http://localhost')) {
    const seen = [];
    client.on('news', (...args) => seen.push(args));
    client.on('error', (error) => seen.push(error.message));
    client.emits('news')(1, 2);
    client.emits('news', (next, first) => next(undefined, first * 2))(3, 4);
    client.emits('news', (next) => next())(5, 6);
    client.emits('news', (next) => next(undefined, null))(7);
    client.emits('news', () => {})(8);
    client.emits('news', (next) => next(new Error('wrong')))(9);
    assert.deepEqual(seen, [[1, 2], [6], [5, 6], [], 'wrong']);
  }
});

test('critical errors go to the listeners, or are thrown', () => {
  for (const client of pair('http://localhost')) {
    assert.throws(() => client.critical(new Error('x')), /^Error: x$/);
    const seen = [];
    client.on('error', (error) => seen.push(error.message));
    assert.equal(client.critical(new Error('y')), client);
    assert.deepEqual(seen, ['y']);
  }
});

test('methods without their object say so', () => {
  for (const name of ['open', 'write', 'end', 'destroy', 'id', 'transform', 'plugin']) {
    assert.throws(() => Ours.prototype[name].call({}, 'incoming'), new RegExp(`Primus#${name} .*context`), name);
    assert.throws(() => Ours.prototype[name].call(undefined, 'incoming'), new RegExp(`Primus#${name} .*context`), name);
  }
});

test('listeners', () => {
  const { EventEmitter } = Ours;
  const emitter = new EventEmitter();
  const seen = [];
  const context = { name: 'context' };
  const listener = function (...args) { seen.push([this, ...args]); };
  assert.equal(emitter.on('a', listener), emitter);
  emitter.on('a', listener, context);
  assert.equal(emitter.emit('a', 1, 2, 3), true);
  assert.deepEqual(seen.splice(0), [[emitter, 1, 2, 3], [context, 1, 2, 3]]);
  assert.equal(emitter.listenerCount('a'), 2);
  assert.deepEqual(emitter.eventNames(), ['a']);
  emitter.off('a', listener);
  assert.equal(emitter.emit('a'), false);
  // Once means once, also when it emits again, and does not take others with it.
  emitter.once('b', () => {
    seen.push('once');
    emitter.emit('b');
  });
  emitter.on('b', () => seen.push('always'));
  emitter.emit('b');
  assert.deepEqual(seen.splice(0), ['once', 'always', 'always']);
  emitter.once('c', listener);
  emitter.removeListener('c', listener);
  assert.equal(emitter.emit('c'), false);
  // Whoever is removed or added meanwhile changes the next round only.
  const late = () => seen.push('late');
  emitter.on('d', () => {
    emitter.removeAllListeners('d');
    emitter.on('d', late);
  });
  emitter.on('d', () => seen.push('second'));
  emitter.emit('d');
  assert.deepEqual(seen.splice(0), ['second']);
  emitter.emit('d');
  assert.deepEqual(seen.splice(0), ['late']);
  assert.equal(emitter.emit('error', new Error('nobody listens')), false);
  for (const name of ['__proto__', 'constructor', 'toString']) {
    assert.equal(emitter.emit(name), false, name);
    emitter.once(name, () => seen.push(name));
    assert.equal(emitter.emit(name), true, name);
  }
  assert.equal(seen.length, 3);
  // As plugins do, without the constructor.
  function Channel() {}
  Channel.prototype = Object.create(EventEmitter.prototype);
  const [one, other] = [new Channel(), new Channel()];
  one.on('x', () => {});
  assert.equal(other.emit('x'), false);
});

test('named timers', async () => {
  const { timers } = new Ours({ manual: true });
  await new Promise((resolve) => {
    timers.setTimeout('never', () => assert.fail('cleared'), 1);
    timers.setTimeout('once', () => assert.fail('replaced'), 1);
    timers.setTimeout('once', resolve, '2 ms');
    assert.equal(timers.active('never'), true);
    timers.clear('never');
  });
  assert.equal(timers.active('never'), false);
  assert.equal(timers.active('once'), false);
});

test('in Node a client can be piped', async (t) => {
  const server = http.createServer();
  const primus = new Primus(server, { transformer: 'websockets' });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => new Promise((resolve) => primus.destroy({}, resolve)));
  primus.on('connection', (spark) => {
    spark.write('a');
    spark.end('b');
  });
  const client = new Ours(`http://127.0.0.1:${server.address().port}`);
  const chunks = [];
  for await (const chunk of client.pipe(new PassThrough({ objectMode: true }))) chunks.push(chunk);
  assert.deepEqual(chunks, ['a', 'b']);
});
