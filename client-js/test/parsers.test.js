'use strict';

// The parsers of the generated client: the table of the server's tests, and the npm modules that Primus uses, both ways.

// BinaryPack writes dates as they are shown.
process.env.TZ = 'UTC';

const { test } = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const zlib = require('node:zlib');
const acorn = require('acorn');
const { minify } = require('terser');
const msgpack = require('primus-msgpack');
const EJSON = require('ejson');
const vectors = require('../../src/primus/parser/vectors.json');

// It makes buffers in the old way, of which Node would warn.
process.noDeprecation = true;
const BinaryPack = require('binary-pack');

const NAMES = ['msgpack', 'binary', 'ejson', 'raw'];

function source(name) {
  return fs.readFileSync(path.join(__dirname, '..', 'src', 'parsers', `${name}.js`), 'utf8');
}

// Throws what the parser reports; each callback has to be called once, and before the return.
function sync(convert) {
  return (data) => {
    const calls = [];
    convert(data, (...args) => calls.push(args));
    assert.equal(calls.length, 1);
    const [error, result] = calls[0];
    if (error) throw error;
    return result;
  };
}

function load(name) {
  const parser = (0, eval)(source(name));
  return { ...parser, encode: sync(parser.encoder), decode: sync(parser.decoder) };
}

function unhex(text) {
  return Uint8Array.from(Buffer.from(text.replace(/ /g, ''), 'hex'));
}

function hex(bytes) {
  assert.ok(bytes instanceof Uint8Array);
  return Buffer.from(bytes).toString('hex');
}

// Bytes have many classes; all of them become Buffers here.
function buffers(value) {
  if (value instanceof ArrayBuffer) return Buffer.from(value);
  if (value instanceof Uint8Array) return Buffer.from(value);
  // Not every NaN is written with the same bits, and no two invalid dates are equal.
  if (Number.isNaN(value)) return NaN;
  if (value instanceof Date && Number.isNaN(+value)) return 'Invalid Date';
  if (Array.isArray(value)) return value.map(buffers);
  if (!value || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, buffers(item)]));
}

test('each file is one expression of ES5, with the shape of a parser', () => {
  const expected = { msgpack: ['msgpack', true], binary: ['binary', true], ejson: ['ejson', false], raw: ['custom', true] };
  for (const file of NAMES) {
    acorn.parseExpressionAt(source(file), 0, { ecmaVersion: 5 });
    const { name, binary, encoder, decoder } = (0, eval)(`(${source(file)})`);
    assert.deepEqual([name, binary], expected[file]);
    assert.deepEqual([encoder.length, decoder.length], [2, 2]);
  }
});

test('msgpack is at most 1.6 kB of the script', async () => {
  const { code } = await minify(`x = ${source('msgpack')}`, { ecma: 5 });
  const { length } = zlib.gzipSync(code);
  assert.ok(length <= 1600, `${length} bytes`);
});

test('the table is what the npm modules write', () => {
  for (const [ejson, packed, binary] of vectors) {
    const value = buffers(EJSON.parse(ejson));
    assert.equal(EJSON.stringify(value), ejson);
    assert.equal(hex(msgpack.encode(value)), packed, ejson);
    if (binary !== null) assert.equal(hex(BinaryPack.pack(value)), binary, ejson);
  }
});

test('each row is written and read', () => {
  const parsers = { msgpack: load('msgpack'), binary: load('binary'), ejson: load('ejson') };
  for (const [ejson, packed, binary] of vectors) {
    const value = buffers(EJSON.parse(ejson));
    assert.equal(parsers.ejson.encode(value), ejson);
    assert.deepEqual(parsers.ejson.decode(ejson), EJSON.parse(ejson));
    assert.equal(hex(parsers.msgpack.encode(value)), packed, ejson);
    assert.deepEqual(buffers(parsers.msgpack.decode(unhex(packed))), buffers(value), ejson);
    if (binary === null) continue;
    assert.equal(hex(parsers.binary.encode(value)), binary, ejson);
    assert.equal(hex(parsers.binary.encode(parsers.binary.decode(unhex(binary)))), binary, ejson);
    // There are no dates in the format.
    if (!ejson.includes('$date":')) assert.deepEqual(buffers(parsers.binary.decode(unhex(binary))), value);
  }
});

test('no part of a row is read, nor is anything behind it', () => {
  for (const name of ['msgpack', 'binary']) {
    const parser = load(name);
    for (const row of vectors) {
      const bytes = unhex(row[name === 'msgpack' ? 1 : 2] || 'c0');
      for (let end = 0; end < bytes.length; end++) {
        assert.throws(() => parser.decode(bytes.subarray(0, end)), `${end} of ${hex(bytes)}`);
      }
      assert.throws(() => parser.decode(Uint8Array.of(...bytes, 0xc0)));
    }
    assert.throws(() => parser.decode('1'), /^Error: Not /);
  }
});

test('frames come as ArrayBuffer or as a part of one', () => {
  for (const [name, bytes] of [['msgpack', 'c0 a161 c0'], ['binary', 'c0 b161 c0']]) {
    const parser = load(name);
    const all = unhex(bytes);
    assert.equal(parser.decode(all.subarray(1, 3)), 'a');
    assert.equal(parser.decode(all.slice(1, 3).buffer), 'a');
  }
});

test('what scripts have beside JSON goes through msgpack as through the npm module', () => {
  const { encode, decode } = load('msgpack');
  const error = new RangeError('no');
  const values = [
    undefined, () => 1, Symbol('a'), -0, '\ud800', '\udc00\ud800a', [, 1], { a: undefined }, Object.create(null), { constructor: 0 },
    new Date(NaN), /a\/b/gi, error, new Error('e'), new Boolean(false), new Number(5), new String('é'), new Map([[1, 2]]),
    new Int8Array([-1]), new Uint8Array([1, 2, 3]), new Int16Array([1, -2]), new Uint16Array([1, 2]), new Int32Array([-1]),
    new Uint32Array(4), new Float32Array([0.5]), new Float64Array([0.5]), new Uint8ClampedArray(5), new Uint8Array(17).buffer,
    Buffer.from('abc').subarray(1), new Uint8Array(254), new Uint8Array(255), new Uint8Array(256), new Uint8Array(65536),
    Buffer.alloc(65536), 'a'.repeat(65535), 'a'.repeat(65536), new Array(65536).fill(1),
  ];
  for (const value of values) {
    const packed = msgpack.encode(value);
    assert.equal(hex(encode(value)), hex(packed));
    assert.deepEqual(buffers(decode(packed)), buffers(msgpack.decode(packed)));
  }
  // The npm module writes this one wrongly, and reads it well.
  const view = new DataView(Uint8Array.of(1, 2, 3, 4).buffer, 1, 2);
  assert.equal(hex(encode(view)), 'd51d0203');
  assert.equal(msgpack.decode(encode(view)).getInt16(0), 0x203);
  assert.throws(() => encode(1n), /^Error: Not /);
});

test('msgpack that others may write is read as by the npm module', () => {
  const { decode } = load('msgpack');
  for (const message of [
    'ce 80000001', 'd3 ffffffffffffffff', 'd3 ffdfffffffffffff', 'cf 001fffffffffffff', 'ca 3fc00000', 'db 00000001 61',
    'c6 00000001 ff', 'dd 00000001 c0', 'df 00000001 a161 c0', '83 01 c0 ff c2 a161 c3', '82 a161 01 a161 02', 'd4 0d c0',
    'c8 0003 12 010203', 'c9 00000000 12', 'd5 1b 0102',
  ]) {
    const bytes = unhex(message);
    assert.deepEqual(buffers(decode(bytes)), buffers(msgpack.decode(bytes)), message);
  }
  for (const message of ['c1', 'd4 00 00', 'd4 1c 00', 'd4 ff 00', 'd5 0d 01 01', 'dd ffffffff']) {
    assert.throws(() => decode(unhex(message)), message);
  }
});

test('what scripts have beside JSON goes through BinaryPack as through the npm module', () => {
  const { encode, decode } = load('binary');
  for (const value of [
    undefined, -0, '\ud800a', [, 1], { a: undefined }, new Date(NaN), { toBinaryPack: 1 },
    'a'.repeat(65535), 'a'.repeat(65536), Buffer.alloc(65535), Buffer.alloc(65536),
  ]) {
    assert.equal(hex(encode(value)), hex(BinaryPack.pack(value)));
  }
  for (const value of [() => 1, Symbol('a'), /a/, new Map(), new Error('e'), 1n]) {
    assert.throws(() => encode(value), /not yet supported/);
  }
  class Own { toBinaryPack() { return Buffer.from([7]); } }
  assert.equal(hex(encode([new Own()])), hex(BinaryPack.pack([new Own()])));
  // What `binary-pack` for Node cannot write: it reads these, its browser half writes them.
  assert.equal(hex(encode(new Uint16Array([1, 2]).subarray(1))), 'a20200');
  assert.equal(hex(encode(new ArrayBuffer(1))), 'a100');
  assert.equal(hex(encode(Object.create(null))), '80');
  assert.equal(BinaryPack.unpack(Buffer.from(encode(-Infinity))), -Infinity);
  assert.equal(hex(encode(2 ** 63)), 'cb43e0000000000000');
  assert.equal(decode(unhex('cf 0020000000000000')), 2 ** 53);
  for (const bytes of ['c1', 'd4', 'd7']) assert.equal(decode(unhex(bytes)), undefined);
  assert.ok(decode(unhex('a101')) instanceof ArrayBuffer);
  for (const bytes of ['c4', 'c9', 'dd ffffffff']) assert.throws(() => decode(unhex(bytes)), bytes);
});

test('what scripts have beside JSON goes through EJSON as through the npm module', () => {
  const { encode, decode } = load('ejson');
  class Own { constructor() { this.x = 1; } toJSON() { return 2; } }
  for (const value of [
    new Own(), { toJSON: () => 2 }, new Error('e'), new Map([[1, 2]]), new Number(5), () => 1, new Uint16Array([1, 2]),
    undefined, -0, [undefined, NaN], { a: undefined, b: 1 }, new Date(NaN), /a\/b/gi, [/x/], { constructor: 0 }, { toString: 1 },
    { $regexp: 'a', $flags: 'g' }, { $type: 'a', $value: new Date(1) }, { $escape: { $date: new Date(1) } }, { $date: undefined },
    { $regexp: 'a' }, { $value: 1, $type: 1 }, '\u2028',
  ]) {
    assert.equal(encode(value), EJSON.stringify(value));
  }
  for (const text of [
    '{"$date":1.9}', '{"$date":"2020-01-01"}', '{"$date":null}', '{"$InfNaN":0}', '{"$InfNaN":-7}', '{"$binary":"AQI"}',
    '{"$regexp":"a","$flags":"gi"}', '{"$escape":{"$date":{"$date":1}}}', '{"$escape":{"$escape":{"$date":1}}}',
    '{"$date":1,"$x":1}', '[[{"$date":5}]]', '{"$flags":"","$regexp":"/"}', '5', '"a"',
  ]) {
    assert.deepEqual(decode(text), EJSON.parse(text), text);
  }
  for (const text of ['', '{', '{"$type":"x","$value":1}', '{"$escape":null}', '{"$regexp":"(","$flags":""}']) {
    assert.throws(() => EJSON.parse(text));
    assert.throws(() => decode(text), text);
  }
  assert.throws(() => decode(new ArrayBuffer(1)), /not bytes/);
  assert.throws(() => encode((() => { const loop = []; loop.push(loop); return loop; })()));
});

test('a key cannot set a prototype', () => {
  const key = Buffer.from('__proto__').toString('hex');
  const read = [
    load('msgpack').decode(unhex(`81 a9${key} 81 a161 01`)),
    load('binary').decode(unhex(`81 b9${key} 81 b161 01`)),
    load('ejson').decode('{"__proto__":{"a":1}}'),
  ];
  for (const value of read) {
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
    assert.deepEqual(Object.entries(value), [['__proto__', { a: 1 }]]);
  }
});

test('an error of the callback is not one of the message', () => {
  for (const [name, message] of [['msgpack', unhex('c0')], ['binary', unhex('c0')], ['ejson', 'null'], ['raw', 'a']]) {
    for (const convert of [load(name).encoder, load(name).decoder]) {
      let calls = 0;
      const thrown = new Error('from the callback');
      assert.throws(() => convert(message, () => { calls++; throw thrown; }), thrown);
      assert.equal(calls, 1);
    }
  }
});

test('raw passes on text and bytes, and nothing else', () => {
  const { encode, decode } = load('raw');
  for (const data of ['', 'primus::ping::1', new ArrayBuffer(2), new Uint8Array(1)]) {
    assert.equal(encode(data), data);
    assert.equal(decode(data), data);
  }
  for (const data of [undefined, null, 1, {}, []]) assert.throws(() => encode(data), /bytes and text/);
});
