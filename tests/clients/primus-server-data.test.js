'use strict';

// npm `primus` 8 against a server on the Rust API: what is said, with every parser, over both transformers.

const assert = require('node:assert/strict');
const { describe, it, before, after } = require('node:test');
const { WebSocket } = require('ws');
const { example, npmClient } = require('./support/primus-api');
const { connect } = require('./support/primus');
const { raised, until } = require('./support/wait');

const TRANSFORMERS = ['websockets', 'engine.io'];

// What each parser brings to the other side unchanged.
const VALUES = {
  json: [null, true, 0, -1, 1.5, 1e21, '', 'text', 'é😀\u2028\u2029', [], {}, { a: [{ b: null }] }, 'x'.repeat(100000)],
  msgpack: [null, false, 0, -1, 1.5, 2 ** 31, '', 'é😀', [1, [2]], { a: { b: [true] } }, 'x'.repeat(70000), Buffer.from([0, 1, 255])],
  binary: [null, false, 0, -1, 1.5, '', 'text', 'x'.repeat(300), [1, [2]], { a: { b: [true] } }, Buffer.from([0, 1, 255])],
  ejson: [null, 1.5, 'é😀', { a: [1] }, new Date(1700000000123), { when: new Date(0), what: [NaN, Infinity] }],
};

for (const [parser, values] of Object.entries(VALUES)) {
  describe(`a server that speaks ${parser}`, () => {
    let server;
    before(async () => { server = await example({ after() {} }, '--parser', parser); });
    after(() => server.stop('SIGKILL'));

    it('describes itself', async () => {
      const answer = await fetch(`${server.url}/primus/spec`);
      assert.equal(answer.headers.get('content-type'), 'application/json');
      assert.equal(
        await answer.text(),
        `{"pingInterval":30000,"pathname":"/primus","version":"8.0.9","parser":"${parser}","transformer":"websockets"}`,
      );
    });

    for (const transformer of TRANSFORMERS) {
      it(`is understood over ${transformer}`, async (t) => {
        const client = connect(t, server.url, {}, npmClient(transformer, parser));
        for (const value of values) client.write(value);
        const heard = await client.inbox.takeMany(values.length);
        for (const [at, value] of values.entries()) {
          const bytes = Buffer.isBuffer(value) ? Buffer.from(heard[at]) : heard[at];
          assert.deepEqual(bytes, value, `value ${at}`);
        }
      });

      it(`keeps 1,000 messages in order over ${transformer}`, async (t) => {
        const client = connect(t, server.url, {}, npmClient(transformer, parser));
        for (let n = 0; n < 1000; n++) client.write({ n });
        const heard = await client.inbox.takeMany(1000);
        assert.deepEqual(heard.map(({ n }) => n), Array.from({ length: 1000 }, (_, n) => n));
        client.write({ do: 'count', to: 1000 });
        const counted = await client.inbox.takeMany(1000);
        assert.deepEqual(counted, Array.from({ length: 1000 }, (_, n) => n + 1));
      });

      it(`writes control strings in ${parser} over ${transformer}`, async (t) => {
        const client = connect(t, server.url, {}, npmClient(transformer, parser));
        await raised(client, 'open');
        const asked = new Promise((resolve) => client.id(resolve));
        // engine.io's client answers with its session's id and asks nobody.
        assert.match(await asked, transformer === 'websockets' ? /^[0-9a-f-]{36}$/ : /^[\w-]{24}$/);
        const end = raised(client, 'end');
        client.write({ do: 'end', data: 'bye' });
        assert.equal(await client.inbox.next(), 'bye');
        await end;
        assert.ok(!client.story.includes('reconnect scheduled'));
      });
    }

    it('survives what it cannot read', async (t) => {
      const client = connect(t, server.url, {}, npmClient('websockets', parser));
      await raised(client, 'open');
      for (const nonsense of ['{', Buffer.from([0xc1]), Buffer.from([0xdb, 0xff, 0xff, 0xff, 0xff])]) client.socket.send(nonsense);
      client.write({ still: 'here' });
      assert.deepEqual(await client.inbox.take((value) => value && value.still), { still: 'here' });
      assert.deepEqual(client.story.filter((event) => event === 'close'), []);
    });
  });
}

// The frames of a conversation with a raw socket.
async function frames(server, parser, say) {
  const socket = new WebSocket(`ws://${server.address}/primus`);
  const heard = [];
  socket.on('message', (data, isBinary) => heard.push(isBinary ? data.toString('hex') : data.toString()));
  await raised(socket, 'open');
  const closed = raised(socket, 'close');
  say(socket, heard);
  const [code, reason] = await closed;
  return { heard, code, reason: reason.toString() };
}

describe('the bytes on the wire', () => {
  const WORDS = {
    json: { ask: '"primus::id::"', end: '{"do":"end"}', reconnect: '{"do":"reconnect"}', retry: '{"do":"retry","after":250}' },
    msgpack: { ask: 'ac' + hex('primus::id::'), end: '81a2646fa3656e64', reconnect: '81a2646fa9' + hex('reconnect') },
    binary: { ask: 'bc' + hex('primus::id::'), end: '81b2646fb3656e64', reconnect: '81b2646fb9' + hex('reconnect') },
  };
  const CLOSE = {
    json: '"primus::server::close"',
    msgpack: 'b5' + hex('primus::server::close'),
    binary: 'd80015' + hex('primus::server::close'),
  };
  const ID = {
    json: /^"primus::id::spark-\d+"$/,
    msgpack: new RegExp(`^b\\w${hex('primus::id::spark-')}\\w+$`),
    binary: new RegExp(`^d80013${hex('primus::id::spark-')}\\w+$`),
  };
  function hex(text) { return Buffer.from(text).toString('hex'); }
  function send(socket, parser, word) {
    socket.send(parser === 'json' ? WORDS.json[word] : Buffer.from(WORDS[parser][word], 'hex'));
  }

  for (const parser of Object.keys(WORDS)) {
    it(`are those of Primus with ${parser}`, async (t) => {
      const server = await example(t, '--parser', parser, '--number-ids');
      const ended = await frames(server, parser, (socket) => {
        send(socket, parser, 'ask');
        send(socket, parser, 'end');
      });
      assert.equal(ended.heard.length, 2);
      assert.match(ended.heard[0], ID[parser]);
      assert.equal(ended.heard[1], CLOSE[parser]);
      assert.deepEqual([ended.code, ended.reason], [1005, ''], 'an empty close frame');
      const left = await frames(server, parser, (socket) => send(socket, parser, 'reconnect'));
      assert.deepEqual(left, { heard: [], code: 1005, reason: '' }, 'nothing is said to who is to come back');
    });
  }

  it('hold a hint for those who know it', async (t) => {
    const server = await example(t);
    const left = await frames(server, 'json', (socket) => send(socket, 'json', 'retry'));
    assert.deepEqual(left, { heard: ['"primus::server::retry::250"'], code: 1005, reason: '' });
  });

  it('hold pings with a time, and an empty close for who does not answer', async (t) => {
    const server = await example(t, '--ping-interval', '200');
    const mute = await frames(server, 'json', (socket) => { socket.pong = () => {}; socket._receiver.removeAllListeners('ping'); });
    assert.ok(mute.heard.length >= 1);
    for (const ping of mute.heard) assert.match(ping, /^"primus::ping::\d{13}"$/);
    assert.deepEqual([mute.code, mute.reason], [1005, '']);
    await until(() => server.output.includes('heartbeat_missed'), 'the reason');
  });
});
