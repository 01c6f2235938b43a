'use strict';

// npm `primus` 8 against a server on the Rust API: U+2028 and U+2029, which are escaped in all that is sent as text, and
// left alone in bytes.

const assert = require('node:assert/strict');
const { describe, it, before, after } = require('node:test');
const { WebSocket } = require('ws');
const { example } = require('./support/primus-api');
const { WAYS, client } = require('./support/primus-ways');
const { limited, raised, until } = require('./support/wait');

const [LINE, PARAGRAPH] = ['\u2028', '\u2029'];
const PLAIN = /[\u2028\u2029]/;
const ESCAPED = /\\u202[89]/;

const VALUES = [
  LINE, PARAGRAPH, `${LINE}${PARAGRAPH}`.repeat(3), `line${LINE}and${PARAGRAPH}paragraph`,
  { [`key${LINE}`]: [{ [PARAGRAPH]: `${LINE}\n${PARAGRAPH}\r` }] },
  // Six characters that only look like it, and others beside the two.
  '\\u2028', '\\\\u2029', `\\${LINE}`, `"${PARAGRAPH}"`, '\u2027\u202a', `${LINE.repeat(5000)}😀`,
];

// How a parser says its texts: as text, where separators are escaped, or as bytes, where they are not.
const PARSERS = { json: 'text', ejson: 'text', msgpack: 'bytes', binary: 'bytes' };

// What the client has sent and what it was sent, as text; bytes are read as UTF-8.
function listen(ann) {
  const seen = { sent: [], heard: [] };
  const plain = (raw) => (typeof raw === 'string' ? raw : Buffer.from(raw).toString());
  ann.on('outgoing::data', (raw) => seen.sent.push(plain(raw)));
  ann.on('incoming::data', (raw) => seen.heard.push(plain(raw)));
  return seen;
}

function assertWire(kind, messages, values) {
  assert.equal(messages.length, values.length);
  for (const [at, message] of messages.entries()) {
    const hasAny = PLAIN.test(JSON.stringify(values[at]));
    assert.equal(PLAIN.test(message), kind === 'bytes' && hasAny, `message ${at}: ${message.slice(0, 80)}`);
    if (kind === 'text' && hasAny) assert.match(message, ESCAPED);
  }
}

for (const [parser, kind] of Object.entries(PARSERS)) {
  describe(`separators in ${parser}`, () => {
    let server;
    before(async () => { server = await example({ after() {} }, '--parser', parser, '--ping-interval', '0'); });
    after(() => server.stop('SIGKILL'));

    for (const way of Object.keys(WAYS)) {
      it(`come back over ${way} as they were sent`, async (t) => {
        const ann = await client(t, server.url, way, {}, parser).settled();
        const seen = listen(ann);
        for (const value of VALUES) ann.write(value);
        assert.deepEqual(await ann.inbox.takeMany(VALUES.length), VALUES);
        assertWire(kind, seen.sent, VALUES);
        assertWire(kind, seen.heard, VALUES);
      });

      it(`reach all others over ${way}, and are the last that is said`, async (t) => {
        const [ann, bob] = await Promise.all([1, 2].map(() => client(t, server.url, way, {}, parser).settled()));
        const seen = listen(bob);
        for (const data of VALUES) ann.write({ do: 'all', data });
        assert.deepEqual(await bob.inbox.takeMany(VALUES.length), VALUES);
        assertWire(kind, seen.heard, VALUES);
        assert.deepEqual(await ann.inbox.takeMany(VALUES.length), VALUES);
        const last = { [LINE]: `bye${PARAGRAPH}` };
        const ended = raised(bob, 'end');
        bob.write({ do: 'end', data: last });
        assert.deepEqual(await bob.inbox.next(), last);
        await ended;
      });

      it(`are kept in what waits for an opening over ${way}`, async (t) => {
        const ann = client(t, server.url, way, {}, parser);
        const seen = listen(ann);
        for (const value of VALUES) ann.write(value);
        assert.deepEqual(await ann.inbox.takeMany(VALUES.length), VALUES);
        assertWire(kind, seen.sent, VALUES);
      });
    }
  });
}

describe('the bytes of separators', () => {
  const hex = (characters) => Buffer.from(characters).toString('hex');
  const SAID = `a${LINE}b${PARAGRAPH}`;
  // A client may send them as they are: that is JSON, too.
  const WIRE = {
    json: [`"${SAID}"`, hex('"a\\u2028b\\u2029"')],
    ejson: [`"${SAID}"`, hex('"a\\u2028b\\u2029"')],
    msgpack: [Buffer.from(`a8${hex(SAID)}`, 'hex'), `a8${hex(SAID)}`],
    binary: [Buffer.from(`b8${hex(SAID)}`, 'hex'), `b8${hex(SAID)}`],
  };

  for (const [parser, [sent, expected]] of Object.entries(WIRE)) {
    it(`are those of Primus in ${parser}`, async (t) => {
      const server = await example(t, '--parser', parser);
      const socket = new WebSocket(`ws://${server.address}/primus`);
      t.after(() => socket.terminate());
      await raised(socket, 'open');
      const heard = limited(new Promise((resolve) => socket.once('message', (...args) => resolve(args))), 'the echo');
      socket.send(sent);
      const [data, isBinary] = await heard;
      assert.equal(data.toString('hex'), expected);
      assert.equal(isBinary, PARSERS[parser] === 'bytes');
    });
  }

  it('are escaped in a body of long polling', async (t) => {
    const server = await example(t);
    const door = `${server.url}/primus/?EIO=4&transport=polling&b64=1`;
    const { sid } = JSON.parse((await (await fetch(door)).text()).slice(1));
    const path = `${door}&sid=${sid}`;
    assert.equal((await fetch(path, { method: 'POST', body: `4"${SAID}"` })).status, 200);
    let body = '';
    await until(async () => { body = await (await fetch(path)).text(); return body !== '2'; }, 'the echo');
    assert.equal(body, '4"a\\u2028b\\u2029"');
  });
});
