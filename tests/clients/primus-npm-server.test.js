'use strict';

// The client that a server on the Rust API generates, as it is served, against a server of npm `primus` 8: every parser,
// ids, and strategies.

const assert = require('node:assert/strict');
const http = require('node:http');
const { describe, it, before } = require('node:test');
const Primus = require('primus');
const { requester } = require('../../client-js/test/support/xhr');
const { example } = require('./support/primus-api');
const { connect, told } = require('./support/primus');
const { ATTEMPT, CLOSING, LEAVING, OPENING, RETURN } = require('./support/primus-ways');
const { generated } = require('./support/plugins');
const { limited, raised, until } = require('./support/wait');

const TRANSPORTS = { websockets: 'ws', 'engine.io': 'polling,ws' };
const SEPARATORS = ['\u2028', { 'a\u2028': ['\u2029b', '\\u2028'] }, `${'\u2028\u2029'.repeat(3000)}😀`];
// No integers of more than 32 bits: npm's `binary-pack` cannot read its own.
const PLAIN = [null, true, 0, -1, 1.5, 2 ** 32 - 2, '', 'é😀', [], {}, { a: [{ b: null }] }, 'x'.repeat(70000)];
const VALUES = {
  json: [...PLAIN, ...SEPARATORS],
  ejson: [...PLAIN, ...SEPARATORS, new Date(1700000000123), { when: new Date(0), what: [NaN, -Infinity] }],
  msgpack: [...PLAIN, ...SEPARATORS],
  binary: [...PLAIN, ...SEPARATORS],
};

// A server of npm that says what it hears, can go, and comes back on its port.
class NpmServer {
  constructor(options) {
    this.options = { pingInterval: false, ...options };
    this.port = 0;
    this.raw = [];
    this.clients = [];
  }

  async start() {
    this.http = http.createServer();
    this.primus = new Primus(this.http, this.options);
    this.primus.on('connection', (spark) => {
      this.spark = spark;
      spark.on('incoming::data', (raw) => this.raw.push(raw));
      spark.on('data', (data) => spark.write(data));
    });
    await new Promise((resolve, reject) => this.http.once('error', reject).listen(this.port, '127.0.0.1', resolve));
    ({ port: this.port } = this.http.address());
    this.url = `http://127.0.0.1:${this.port}`;
    return this;
  }

  async stop() {
    const closed = new Promise((resolve) => this.primus.destroy({ reconnect: true }, resolve));
    await until(() => !this.http.listening, 'the server to close');
    this.http.closeAllConnections();
    await limited(closed, 'the end of the server');
  }
}

async function npmServer(t, options) {
  const server = await new NpmServer(options).start();
  t.after(async () => {
    if (!server.http.listening) return;
    // Clients first: the server would wait for them.
    server.clients.forEach((ann) => ann.destroy());
    await until(() => server.primus.connected === 0, 'all clients to be gone');
    await server.stop();
  });
  return server;
}

for (const [transformer, transports] of Object.entries(TRANSPORTS)) {
  for (const [parser, values] of Object.entries(VALUES)) {
    describe(`the generated client with ${parser} over ${transformer}`, () => {
      let Client;
      before(async () => {
        // Only the script is asked of it.
        const scope = { after(stop) { this.stop = stop; } };
        Client = await generated((await example(scope, '--transport', transports, '--parser', parser)).url);
        await scope.stop();
      });

      const client = (t, server, options) => {
        const XMLHttpRequest = requester();
        t.after(() => XMLHttpRequest.close());
        const ann = connect(t, server.url, { XMLHttpRequest, ...options }, Client);
        server.clients.push(ann);
        // Over its last transport: a session of engine.io that is ended before stays for half a minute.
        ann.settled = async () => {
          await until(() => ann.readyState === Client.OPEN && ann.socket?.transport?.name !== 'polling', 'the upgrade');
          ann.write('settled');
          assert.equal(await ann.inbox.next(), 'settled');
        };
        return ann;
      };

      it('and a server of npm understand each other', async (t) => {
        const server = await npmServer(t, { transformer, parser });
        const ann = client(t, server);
        for (const value of values) ann.write(value);
        assert.deepEqual(await ann.inbox.takeMany(values.length), values);
        assert.equal(server.raw.length, values.length);
        for (const raw of server.raw) assert.ok(typeof raw !== 'string' || !/[\u2028\u2029]/.test(raw), raw.slice(0, 80));
        assert.equal(typeof server.raw[0], parser === 'json' || parser === 'ejson' ? 'string' : 'object');
        await ann.settled();
        const ended = raised(ann, 'end');
        server.spark.end({ last: '\u2029' });
        assert.deepEqual(await ann.inbox.next(), { last: '\u2029' });
        await ended;
        assert.equal(ann.recovery.reconnecting(), false);
      });

      it('has the id of its spark, before, in and after an outage', async (t) => {
        const server = await npmServer(t, { transformer, parser });
        const ann = client(t, server);
        const id = () => limited(new Promise((resolve) => ann.id(resolve)), 'the id');
        const first = await id();
        assert.equal(first, server.spark.id);
        await ann.settled();
        assert.equal(await id(), first);
        const scheduled = raised(ann, 'reconnect scheduled');
        const open = raised(ann, 'open');
        server.spark.end(undefined, { reconnect: true });
        await scheduled;
        const asked = id();
        await open;
        const second = await asked;
        assert.notEqual(second, first);
        assert.equal(second, server.spark.id);
        assert.equal(await id(), second);
      });

      // The rest is no matter of values.
      if (parser !== 'json') return;

      for (const [strategy, stored, afterLoss, atFirst] of [
        ['disconnect', 'disconnect', true, false],
        ['online', 'online', false, false],
        ['timeout', 'timeout', false, true],
        ['Disconnect , ONLINE', 'disconnect,online', true, false],
        [['online', 'timeout'], 'online,timeout', false, true],
        [[], 'disconnect,online,timeout', true, true],
        [false, '', false, false],
      ]) {
        it(`keeps to the strategy ${JSON.stringify(strategy)}`, async (t) => {
          const server = await npmServer(t, { transformer, parser });
          const ann = client(t, server, { strategy });
          assert.equal(ann.options.strategy, stored);
          await ann.settled();
          told(ann);
          server.spark.end(undefined, { reconnect: true });
          const afterwards = [...CLOSING, ...afterLoss ? ['reconnect scheduled', ...ATTEMPT, ...RETURN, 'open'] : LEAVING];
          await until(() => ann.story.length >= afterwards.length, 'the end of the story');
          assert.deepEqual(ann.story, afterwards);
          ann.destroy();
          await until(() => server.primus.connected === 0, 'it to be gone');

          await server.stop();
          const bob = client(t, server, { strategy });
          const first = [...OPENING, 'incoming::error', 'error', ...atFirst ?
            ['reconnect scheduled', 'incoming::end', 'readyStateChange end'] :
            ['readyStateChange end', 'outgoing::end', 'close', 'end']];
          await until(() => bob.story.length >= first.length, 'the first failure');
          assert.deepEqual(bob.story.slice(0, atFirst ? first.length : undefined), first);
          assert.equal(bob.recovery.reconnecting(), atFirst);
          if (!atFirst) return;
          await server.start();
          await bob.settled();
        });
      }
    });
  }
}
