'use strict';

// npm `primus` 8, and bare sockets, against a server on the Rust API: messages that are too long.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const http = require('node:http');
const net = require('node:net');
const { describe, it } = require('node:test');
const { WebSocket } = require('ws');
const { example } = require('./support/primus-api');
const { told } = require('./support/primus');
const { ATTEMPT, CLOSING, RETURN, WAYS, client, who } = require('./support/primus-ways');
const { between } = require('./support/proxy');
const { limited, raised, until } = require('./support/wait');

const LIMIT = 1000;
const ARGS = ['--max-length', String(LIMIT), '--ping-interval', '0'];
const POLLING = '/primus/?EIO=4&transport=polling&b64=1';

// JSON of so many bytes.
function text(bytes) {
  return JSON.stringify('x'.repeat(bytes - 2));
}

for (const [way, { transport }] of Object.entries(WAYS)) {
  // Packets of engine.io begin with their type.
  const room = transport === 'ws' ? LIMIT : LIMIT - 1;

  describe(`a limit for messages over ${way}`, () => {
    it('is what just fits, and costs who is over it the connection and nobody else', async (t) => {
      const server = await example(t, ...ARGS);
      const ann = client(t, server.url, way);
      const bob = client(t, server.url, way);
      await Promise.all([ann.settled(), bob.settled()]);
      const fits = JSON.parse(text(room));
      ann.write(fits);
      assert.equal(await ann.inbox.next(), fits);
      told(ann);
      told(bob);

      const errors = [];
      ann.on('error', (error) => errors.push(error));
      const socket = { ws: ann.socket, websocket: ann.socket.transport?.ws }[transport];
      const closed = socket && limited(new Promise((resolve) => socket.on('close', resolve)), 'the close');
      const reconnected = raised(ann, 'reconnected');
      ann.write(`${fits}x`);
      const [{ attempt }] = await reconnected;
      assert.equal(attempt, 1);
      if (socket) assert.equal(await closed, 1009);
      await ann.settled();
      const isPolling = transport === 'polling';
      assert.deepEqual(errors.map(({ message, description }) => [message, description]), isPolling ? [['xhr post error', 413]] : []);
      const story = told(ann);
      assert.deepEqual(story.slice(0, story.indexOf('open') + 1), [
        'outgoing::data', ...isPolling ? ['incoming::error', 'error'] : [], ...CLOSING, 'reconnect scheduled',
        ...ATTEMPT, ...RETURN, 'open',
      ]);
      const reason = isPolling ? 'left: peer_closed' : 'left: message_too_big';
      await until(() => server.output.includes(reason), 'the reason at the server');
      await bob.settled();
      assert.ok(!bob.story.includes('close'), bob.story.join());
    });

    it('is for what comes in, not for what goes out', async (t) => {
      const server = await example(t, ...ARGS);
      const ann = client(t, `${server.url}?long=${'y'.repeat(3 * LIMIT)}`, way);
      const { query } = await who(ann);
      assert.equal(Object.fromEntries(query).long.length, 3 * LIMIT);
      await ann.settled();
      assert.ok(!ann.story.includes('close'), ann.story.join());
    });
  });
}

it('a client that polls divides what it has to say into POSTs that fit', async (t) => {
  const server = await example(t, ...ARGS);
  const proxy = await between(t, server);
  const ann = client(t, proxy.url, 'engine.io without WebSocket');
  const texts = Array.from({ length: 60 }, (_, n) => `${n} ${'z'.repeat(90)}`);
  for (const each of texts) ann.write(each);
  assert.deepEqual(await ann.inbox.takeMany(texts.length), texts);
  const sizes = proxy.requests.filter(({ method }) => method === 'POST').map(({ body }) => body.length);
  assert.ok(sizes.length >= 6 && Math.max(...sizes) <= LIMIT, `${sizes}`);
  assert.ok(!ann.story.includes('close'), ann.story.join());
});

// An open WebSocket: what it hears, and how it is closed.
async function socketTo(t, server) {
  const socket = new WebSocket(`ws://${server.address}/primus`);
  t.after(() => socket.terminate());
  const heard = [];
  socket.on('message', (data) => heard.push(data));
  const closed = once(socket, 'close').then(([code]) => code);
  await raised(socket, 'open');
  return { socket, heard, closed: () => limited(closed, 'the close') };
}

describe('a WebSocket', () => {
  it('is measured in bytes, not in characters', async (t) => {
    const server = await example(t, ...ARGS);
    const { socket, heard, closed } = await socketTo(t, server);
    const fits = JSON.stringify('é'.repeat(499));
    socket.send(fits);
    await until(() => heard.length === 1, 'the echo');
    assert.equal(heard[0].toString(), fits);
    socket.send(JSON.stringify('é'.repeat(500)));
    assert.equal(await closed(), 1009);
    assert.equal(heard.length, 1, 'no word of the server that the end is for good');
  });

  it('is measured over all frames of a message', async (t) => {
    const server = await example(t, ...ARGS);
    const { socket, heard, closed } = await socketTo(t, server);
    const sendHalves = (whole) => {
      socket.send(whole.slice(0, 500), { fin: false });
      socket.send(whole.slice(500), { fin: true });
    };
    sendHalves(text(LIMIT));
    // The application echoes in its own time: a close would overtake it.
    await until(() => heard.length === 1, 'the echo');
    sendHalves(text(LIMIT + 1));
    assert.equal(await closed(), 1009);
    assert.deepEqual(heard.map(String), [text(LIMIT)]);
  });

  it('is closed for a length that is only announced', async (t) => {
    const server = await example(t, ...ARGS);
    const { socket, closed } = await socketTo(t, server);
    // The head of a text frame of 2^40 bytes, with a mask.
    socket._socket.write(Buffer.from([0x81, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4]));
    assert.equal(await closed(), 1009);
  });

  it('is measured in bytes of the parser', async (t) => {
    const server = await example(t, ...ARGS, '--parser', 'msgpack');
    const { socket, heard, closed } = await socketTo(t, server);
    // A string of 16 bits of length takes three bytes more.
    const packed = (bytes) => Buffer.concat([Buffer.from([0xda, bytes - 3 >> 8, bytes - 3 & 255]), Buffer.alloc(bytes - 3, 'x')]);
    socket.send(packed(LIMIT));
    await until(() => heard.length === 1, 'the echo');
    assert.deepEqual(heard[0], packed(LIMIT));
    socket.send(packed(LIMIT + 1));
    assert.equal(await closed(), 1009);
  });
});

async function request(server, method, path, body, headers = {}) {
  const asked = http.request(server.url + path, { method, headers, agent: false });
  asked.end(body);
  const [answer] = await limited(once(asked, 'response'), `the answer to a ${method}`);
  const chunks = await answer.toArray();
  return { status: answer.statusCode, headers: answer.headers, text: Buffer.concat(chunks).toString() };
}

async function session(server) {
  const { text: packet } = await request(server, 'GET', POLLING);
  const opening = JSON.parse(packet.slice(1));
  return { ...opening, path: `${POLLING}&sid=${opening.sid}` };
}

describe('a POST', () => {
  it('that is over the limit is answered 413, and the session goes on', async (t) => {
    const server = await example(t, ...ARGS);
    const { path, maxPayload } = await session(server);
    assert.equal(maxPayload, LIMIT, 'clients are told');
    const most = `4${text(LIMIT - 1)}`;
    assert.equal((await request(server, 'POST', path, most)).status, 200);
    assert.equal((await request(server, 'GET', path)).text, most);
    const tooLong = [
      [`4${text(LIMIT)}`, {}],
      [`4${text(LIMIT)}`, { 'transfer-encoding': 'chunked' }],
      // Neither of the two packets is heard.
      [`4${text(600)}\x1e4${text(600)}`, {}],
    ];
    for (const [body, headers] of tooLong) {
      const refused = await request(server, 'POST', path, body, headers);
      assert.equal(refused.status, 413);
      assert.equal(refused.headers['cache-control'], 'no-store, no-cache, must-revalidate, max-age=0');
    }
    assert.equal((await request(server, 'POST', path, '4"short"')).text, 'ok');
    assert.equal((await request(server, 'GET', path)).text, '4"short"');
  });

  it('is refused for a length that is only announced', async (t) => {
    const server = await example(t, ...ARGS);
    const { path } = await session(server);
    const { hostname, port } = new URL(server.url);
    const socket = net.connect({ host: hostname, port });
    t.after(() => socket.destroy());
    socket.write(`POST ${path} HTTP/1.1\r\nHost: ${server.address}\r\nContent-Length: ${LIMIT + 1}\r\n\r\n4"`);
    const [answer] = await limited(once(socket, 'data'), 'the answer');
    assert.match(answer.toString(), /^HTTP\/1\.1 413 /);
  });
});

it('the description of a server without pings says so, and its library waits for none', async (t) => {
  for (const [interval, announced, timeout] of [['0', 'false', 'false'], ['1001', '1001', '1502']]) {
    const server = await example(t, '--ping-interval', interval, '--parser', 'msgpack', '--transport', 'polling,ws');
    const answer = await fetch(`${server.url}/primus/spec`);
    assert.equal(
      await answer.text(),
      `{"pingInterval":${announced},"pathname":"/primus","version":"8.0.9","parser":"msgpack","transformer":"engine.io"}`,
    );
    const library = await (await fetch(`${server.url}/primus/primus.js`)).text();
    assert.equal(/"pingTimeout":(\w+)/.exec(library)?.[1], timeout);
  }
});
