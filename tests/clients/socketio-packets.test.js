'use strict';

// The packets of socket.io as they are, carried by npm `engine.io-client`: what a client of one's own would see, and
// what happens to one that breaks the rules.

const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');
const { Socket } = require('engine.io-client');
const Socket3 = require('engine.io-client-3');
const { Inbox } = require('./support/inbox');
const { Server, serve } = require('./support/server');
const { limited } = require('./support/wait');

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}';
const WELCOME = '2["welcome",{"welcome":"Hello human! Welcome to Stellar","context":"api"}]';

// Version 5 of the protocol rides on version 4 of engine.io, 4 on 3.
const KINDS = [[5, Socket], [4, Socket3]].flatMap(([protocol, Client]) => ['polling', 'websocket'].map((way) => ({
  name: `socket.io ${protocol} over ${way}`, protocol, Client, way,
})));

// A session. `inbox` keeps its messages as they came; `ended` resolves when it is over.
function start(t, url, { Client, way }) {
  const socket = new Client(url, { path: '/socket.io/', transports: [way] });
  socket.inbox = new Inbox();
  socket.on('message', (message) => socket.inbox.push(message));
  socket.on('error', () => {});
  const closing = new Promise((resolve) => socket.on('close', resolve));
  Object.defineProperty(socket, 'ended', { get: () => limited(closing, 'the close') });
  t.after(() => socket.close());
  return socket;
}

// A session that is connected to `/`, and has been greeted. In version 4 of the protocol the server speaks first.
async function connect(t, url, kind) {
  const socket = start(t, url, kind);
  if (kind.protocol === 5) socket.send('0');
  socket.connected = await socket.inbox.next();
  assert.equal(await socket.inbox.next(), WELCOME);
  return socket;
}

describe('the packets of socket.io', () => {
  const server = new Server();
  before(() => server.start());
  after(() => server.kill());

  for (const kind of KINDS) {
    describe(kind.name, () => {
      it('are those of the protocol', async (t) => {
        const socket = await connect(t, server.url, kind);
        const said = kind.protocol === 5 ? new RegExp(`^0\\{"sid":"(${UUID})"\\}$`).exec(socket.connected) : ['0'];
        assert.equal(socket.connected, said && said[0]);
        socket.send('20["detailsView"]');
        const [, json] = /^30\[(.*)\]$/.exec(await socket.inbox.next());
        const { data, messageCount } = JSON.parse(json);
        assert.match(data.id, new RegExp(`^${UUID}$`));
        if (kind.protocol === 5) assert.equal(data.id, said[1]);
        assert.match(socket.id, /^[\w-]{24}$/, 'the session has an id of its own');
        assert.equal(messageCount, 1);
        socket.send('2["roomAdd",{"room":"lobby"}]');
        const joined = '{"status":"OK","context":"response","data":true,"messageCount":2}';
        assert.equal(await socket.inbox.next(), `2["response",${joined}]`);
        // Space is allowed in JSON, and an id may be large.
        socket.send('29007199254740991[ "say" , {"room":"lobby", "message":"hi"} ]');
        const answers = await socket.inbox.takeMany(2);
        const ok = '39007199254740991[{"status":"OK","context":"response","messageCount":3}]';
        assert.ok(answers.includes(ok), answers.join());
        const push = answers.find((packet) => packet !== ok);
        assert.match(push, new RegExp(`^2\\["say",\\{"message":"hi","room":"lobby","from":"${data.id}",.*\\}\\]$`));
      });

      it('with bytes are a text and its attachments, in order', async (t) => {
        const socket = await connect(t, server.url, kind);
        socket.send('2["roomAdd",{"room":"lobby"}]');
        await socket.inbox.next();
        const [one, two] = [0, 1].map((num) => `{"_placeholder":true,"num":${num}}`);
        // What is no placeholder is data.
        const data = '{"_placeholder":false,"num":0}';
        socket.send(`52-7["say",{"room":"lobby","message":[${two},${one},${data}]}]`);
        socket.send(Buffer.from([1]));
        socket.send(Buffer.from([2, 3]));
        socket.send('28["detailsView"]');
        const packets = await socket.inbox.takeMany(3);
        assert.ok(packets.some((packet) => packet.startsWith('37[{"status":"OK"')), packets.join());
        assert.ok(packets[2].startsWith('38['));
        const [push] = packets.filter((packet) => packet.startsWith('2["say"'));
        assert.deepEqual(JSON.parse(push.slice(1))[1].message, ['AgM=', 'AQ==', { _placeholder: false, num: 0 }]);
      });

      it('of other namespaces are refused where nobody opened one', async (t) => {
        const socket = await connect(t, server.url, kind);
        for (const namespace of ['/nowhere', '/constructor', '/Grüße']) {
          socket.send(`0${namespace},`);
          const [, told, data] = /^4([^,]*),(.*)$/.exec(await socket.inbox.next());
          assert.equal(told, namespace);
          assert.deepEqual(JSON.parse(data), { message: 'Invalid namespace' });
        }
        socket.send('20["detailsView"]');
        assert.match(await socket.inbox.next(), /^30\[\{"status":"OK"/);
        // As in Node, an event for such a namespace closes.
        socket.send('2/nowhere,1["detailsView"]');
        await socket.ended;
      });

      it('say goodbye', async (t) => {
        const socket = await connect(t, server.url, kind);
        socket.send('1');
        await socket.ended;
        const other = await connect(t, server.url, kind);
        other.send('2["quit"]');
        assert.equal(await other.inbox.next(), '1', 'not to come back');
        await other.ended;
      });

      const one = '{"_placeholder":true,"num":0}';
      for (const [what, ...packets] of [
        ['nothing', ''],
        ['an unknown type', '7["detailsView"]'],
        ['no type', '["detailsView"]'],
        ['no event', '2'],
        ['an event without a name', '2[]'],
        ['an event that is no array', '2{}'],
        ['an event that is cut', '2["detailsView"'],
        ['an event with more behind it', '2["detailsView"]x'],
        ['a name that is no text', '2[null]'],
        ['an id that is no number', '2abc["detailsView"]'],
        ['an id below zero', '2-1["detailsView"]'],
        ['a text where an attachment was announced', `51-["say",{"message":${one}}]`, '2["detailsView"]'],
        ['more attachments than allowed', `511-["say",{"message":${one}}]`],
        ['a number of attachments that is none', `5x-["say",{"message":${one}}]`],
        ['a placeholder for nothing', '51-["say",{"message":{"_placeholder":true,"num":1}}]', Buffer.from([1])],
        ['bytes that were not announced', Buffer.from([0x81, 0xa4, 0x74])],
        ...['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener'].map((name) => (
          [`the reserved name ${name}`, `2["${name}",{}]`]
        )),
      ]) {
        it(`end the connection: ${what}`, async (t) => {
          const socket = await connect(t, server.url, kind);
          for (const packet of packets) socket.send(packet);
          await socket.ended;
          assert.deepEqual(socket.inbox.unread, [], 'without a word');
        });
      }

      if (kind.protocol === 5) {
        for (const packet of ['2["detailsView"]', '0{', '3[]']) {
          it(`end the connection instead of a CONNECT: ${packet}`, async (t) => {
            const socket = start(t, server.url, kind);
            socket.send(packet);
            await socket.ended;
            assert.deepEqual(socket.inbox.unread, []);
          });
        }
      }
    });
  }

  it('leave the server as it was', async () => {
    await server.untilConnections(0);
  });
});

describe('a client that connects to nothing', () => {
  for (const kind of KINDS.filter(({ protocol }) => protocol === 5)) {
    it(`is closed: ${kind.name}`, async (t) => {
      const LIMIT = 300;
      const server = await serve(t, `[socketio]\nconnect_timeout_ms = ${LIMIT}\n`);
      const witness = await connect(t, server.url, kind);
      const began = Date.now();
      const socket = start(t, server.url, kind);
      await socket.ended;
      assert.ok(Date.now() - began >= LIMIT, `${Date.now() - began} ms`);
      witness.send('20["detailsView"]');
      assert.match(await witness.inbox.next(), /^30\[/, 'others stay');
    });
  }
});
