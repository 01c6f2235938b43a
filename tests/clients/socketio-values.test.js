'use strict';

// What scripts have and JSON has not, said by npm `socket.io-client`: everybody hears the same, whichever parser it came
// through. Before, bytes in an ArrayBuffer became null with the msgpack parser, and dates became numbers.

const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');
const { Server } = require('./support/server');
const { KINDS, open, ask, join } = require('./support/socketio');
const peer = require('./support/peer');

// `length` bytes in an array buffer of their own.
const buffer = (length) => Uint8Array.from({ length }, (_, n) => (n * 7 + 1) % 256).buffer;
const base64 = (bytes) => Buffer.from(bytes).toString('base64');

const MOMENT = new Date(1700000000123);

// Name, value, and what is heard of it; `isTyped` where version 2 of the client has no bytes in it.
const VALUES = [
  // These lengths mean other things elsewhere in msgpack's extensions.
  ...[1, 2, 4, 8, 12, 16, 255, 256, 300, 65536].map((length) => (
    [`an ArrayBuffer of ${length}`, buffer(length), base64(buffer(length))]
  )),
  ['an empty ArrayBuffer', [buffer(0)], ['']],
  ['a Buffer', Buffer.from([1, 2, 3]), 'AQID'],
  ['a Uint8Array', new Uint8Array(buffer(5)), base64(buffer(5)), true],
  ['a Float32Array', new Float32Array(buffer(8)), base64(buffer(8)), true],
  ['a BigUint64Array', new BigUint64Array(buffer(16)), base64(buffer(16)), true],
  ['a DataView', new DataView(buffer(9)), base64(buffer(9)), true],
  ['bytes inside', { a: [buffer(3), { b: buffer(8) }] }, { a: [base64(buffer(3)), { b: base64(buffer(8)) }] }],
  ['a Date', MOMENT, '2023-11-14T22:13:20.123Z'],
  ['the first Date', new Date(0), '1970-01-01T00:00:00.000Z'],
  ['an early Date', new Date(-1), '1969-12-31T23:59:59.999Z'],
  ['a Date of another era', new Date(-62167219200001), '-000001-12-31T23:59:59.999Z'],
  ['the last Date', new Date(8.64e15), '+275760-09-13T00:00:00.000Z'],
  ['Dates inside', { at: MOMENT, more: [MOMENT] }, { at: MOMENT.toJSON(), more: [MOMENT.toJSON()] }],
  ['a Date beside bytes', [MOMENT, buffer(2)], [MOMENT.toJSON(), base64(buffer(2))]],
  ['undefined inside', { a: undefined, b: [undefined, 1], c: 2 }, { b: [null, 1], c: 2 }],
  ['undefined alone', { a: undefined }, {}],
  ['whole numbers beyond 2^53', [2 ** 53 + 2, 2 ** 63, -(2 ** 63)], [2 ** 53 + 2, 2 ** 63, -(2 ** 63)]],
  ['no numbers', [NaN, Infinity, -Infinity], [null, null, null]],
  ['a Map', [new Map([[1, 2]]), new Set([1])], [{}, {}]],
  ['what has toJSON', [new URL('http://a/b')], ['http://a/b']],
];

describe('values that JSON has no word for', () => {
  const server = new Server();
  before(() => server.start());
  after(() => server.kill());

  for (const kind of KINDS) {
    describe(kind.name, () => {
      const values = VALUES.filter(([, , , isTyped]) => !isTyped || kind.client !== 'socket.io-client 2');

      it('are heard alike by everybody in a room', async (t) => {
        const speaker = await open(t, server.url, kind);
        const witness = await peer.open(t, `${server.wsUrl}/ws`);
        await join(speaker, 'random');
        await peer.ask(witness, { event: 'roomAdd', room: 'random' });
        for (const [name, message, heard] of values) {
          assert.equal((await ask(speaker, 'say', { room: 'random', message })).status, 'OK', name);
          for (const { inbox } of [speaker, witness]) assert.deepEqual((await inbox.said()).message, heard, name);
          const event = { event: 'told', data: message };
          assert.equal((await ask(speaker, 'event', { params: { room: 'random', ...event } })).status, 'OK', name);
          for (const { inbox } of [speaker, witness]) {
            assert.deepEqual((await inbox.said()).message, { event: 'told', data: heard }, name);
          }
          const packet = { event: 'say', room: 'random', message };
          assert.equal((await ask(speaker, 'message', packet)).status, 'OK', name);
          for (const { inbox } of [speaker, witness]) assert.deepEqual((await inbox.said()).message, heard, name);
        }
      });

      it('are params of actions', async (t) => {
        const socket = await open(t, server.url, kind);
        for (const [name, value, heard] of values) {
          const answer = await ask(socket, 'action', { params: { action: 'cacheTest', key: 'k', value: [value] } });
          assert.deepEqual(answer.cacheTestResults.loadResp.value, [heard], name);
        }
      });

      it('may be a message of bytes alone', async (t) => {
        const socket = await open(t, server.url, kind);
        const packet = Uint8Array.from(Buffer.from('{"event":"detailsView"}')).buffer;
        assert.equal((await ask(socket, 'message', packet)).status, 'OK');
      });
    });
  }
});
