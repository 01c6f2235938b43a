'use strict';

// npm `primus` 8 against a server on the Rust API: opening, refusals, losses, ends.

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');
const { example, npmClient } = require('./support/primus-api');
const { connect, told } = require('./support/primus');
const { freeze, raised, until } = require('./support/wait');

const SUCCESS = [
  'outgoing::reconnect', 'outgoing::open', 'readyStateChange opening', 'outgoing::end', 'outgoing::url', 'reconnect',
  'incoming::open', 'reconnected', 'readyStateChange open', 'open',
];

for (const transformer of ['websockets', 'engine.io']) {
  const client = (t, server, options, pathname) => connect(t, server.url, options, npmClient(transformer, 'json', pathname));

  describe(`a client of the transformer ${transformer}`, () => {
    it('opens in the order of Primus, with what it wrote before', async (t) => {
      const server = await example(t);
      const ann = client(t, server);
      ann.write('early');
      ann.write('bird');
      assert.deepEqual(await ann.inbox.takeMany(2), ['early', 'bird']);
      const story = ann.story.slice(0, ann.story.indexOf('open') + 1);
      assert.deepEqual(story, [
        'outgoing::open', 'readyStateChange opening', 'outgoing::end', 'outgoing::url', 'incoming::open',
        'readyStateChange open', 'outgoing::data', 'outgoing::data', 'open',
      ]);
    });

    it('is what its request says', async (t) => {
      const server = await example(t, '--number-ids');
      const ann = connect(t, `${server.url}?room=a%20b`, {}, npmClient(transformer));
      ann.write({ do: 'who' });
      const who = await ann.inbox.next();
      assert.equal(who.id, 'spark-1');
      assert.equal(who.address.ip, '127.0.0.1');
      assert.equal(who.transport, transformer === 'websockets' ? 'ws' : 'polling');
      const query = Object.fromEntries(who.query);
      assert.equal(query.room, 'a b');
      assert.match(query._primuscb, /^[\w-]{7}/);
      assert.equal(who.headers.host, server.address);
    });

    it('comes in at the pathname that was chosen, and nowhere else', async (t) => {
      const server = await example(t, '--pathname', '/live/now');
      assert.equal((await (await fetch(`${server.url}/live/now/spec`)).json()).pathname, '/live/now');
      for (const path of ['/primus', '/primus/spec', '/live', '/live/nowhere', '/livefoo']) {
        assert.equal((await fetch(server.url + path)).status, 404, path);
      }
      const ann = client(t, server, {}, '/live/now');
      ann.write('here');
      assert.equal(await ann.inbox.next(), 'here');
    });

    it('stays over five pings, and is told what they carry', async (t) => {
      const server = await example(t, '--ping-interval', '200');
      const ann = client(t, server, { pingTimeout: 600 });
      const pings = [];
      ann.on('incoming::ping', (number) => pings.push(number));
      await until(() => pings.length >= 5, 'five pings');
      for (const [at, number] of pings.entries()) assert.ok(number > (pings[at - 1] || 1.6e12), `${pings}`);
      assert.ok(!ann.story.includes('close'));
    });

    it('is told to come back when it does not answer', async (t) => {
      const server = await example(t, '--ping-interval', '200');
      const ann = client(t, server);
      await raised(ann, 'open');
      if (transformer === 'engine.io') await until(() => ann.socket.transport.name === 'websocket', 'the upgrade');
      const socket = transformer === 'websockets' ? ann.socket : ann.socket.transport.ws;
      const scheduled = raised(ann, 'reconnect scheduled');
      socket._socket.pause(); // it reads no ping, and so answers none
      await until(() => server.output.includes('left: heartbeat_missed'), 'the server to notice');
      socket._socket.resume();
      await scheduled;
      ann.write('back');
      assert.equal(await ann.inbox.next(), 'back');
    });

    it('notices a server that is silent', async (t) => {
      const server = await example(t, '--ping-interval', '200');
      const ann = client(t, server, { pingTimeout: 500 });
      await raised(ann, 'open');
      t.after(() => server.child.kill('SIGCONT'));
      await freeze(server.child);
      await raised(ann, 'offline');
      // Before the next attempt, a ping of the old connection would bring it online.
      await raised(ann, 'reconnect');
      server.child.kill('SIGCONT');
      await raised(ann, 'online');
      ann.write('again');
      assert.equal(await ann.inbox.next(), 'again');
    });

    it('does not come back when the server ends it', async (t) => {
      const server = await example(t);
      const ann = client(t, server);
      await raised(ann, 'open');
      told(ann);
      const end = raised(ann, 'end');
      ann.write({ do: 'end', data: 'bye' });
      await end;
      assert.equal(await ann.inbox.next(), 'bye');
      assert.deepEqual(told(ann).slice(-5), [
        'incoming::end', 'readyStateChange end', 'outgoing::end', 'close', 'end',
      ]);
      await until(() => server.output.includes('left: ended'), 'the server to know');
    });

    for (const command of [{ do: 'reconnect', data: 'soon' }, { do: 'retry', after: 10, data: 'soon' }]) {
      it(`comes back after ${command.do}, and has read what came before`, async (t) => {
        const server = await example(t);
        const ann = client(t, server);
        await raised(ann, 'open');
        told(ann);
        const reconnected = raised(ann, 'reconnected');
        ann.write(command);
        assert.equal(await ann.inbox.next(), 'soon');
        await reconnected;
        ann.write('back');
        assert.equal(await ann.inbox.next(), 'back', 'a hint is no message');
        await until(() => ann.story.includes('open'), 'open');
        const story = told(ann).filter((event) => !/^(data|(incoming|outgoing)::(data|ping|pong))$/.test(event));
        assert.deepEqual(story.slice(0, 4), ['incoming::end', 'readyStateChange end', 'close', 'reconnect scheduled']);
        assert.deepEqual(story.slice(4, 4 + SUCCESS.length), SUCCESS);
      });
    }

    it('keeps what it writes while it is away, the latest if there is no room for all', async (t) => {
      const server = await example(t);
      const ann = client(t, server, { queueSize: 2 });
      await raised(ann, 'open');
      assert.equal(await server.stop('SIGTERM'), 0);
      await until(() => ann.readyState !== npmClient(transformer).OPEN, 'the loss');
      for (const text of ['one', 'two', 'three']) ann.write(text);
      await server.start();
      assert.deepEqual(await ann.inbox.takeMany(2), ['two', 'three']);
    });

    it('gives up after so many attempts', async (t) => {
      const server = await example(t);
      const ann = client(t, server, { reconnect: { min: 10, max: 20, retries: 3 } });
      await raised(ann, 'open');
      const failed = raised(ann, 'reconnect failed');
      await server.stop('SIGKILL');
      const [error, options] = await failed;
      assert.equal(error.message, 'Unable to recover');
      assert.equal(options.attempt, 3);
    });

    it('is refused without a token, and does not try again', async (t) => {
      const server = await example(t, '--token', 'secret');
      const ann = client(t, server, { strategy: 'online, disconnect' });
      const [error] = await raised(ann, 'error');
      assert.match(error.message, transformer === 'websockets' ? /^Unexpected server response: 401$/ : /xhr poll error|401/);
      await until(() => ann.story.includes('end'), 'the end');
      assert.ok(!ann.story.includes('reconnect scheduled'));
      const answer = await fetch(`${server.url}/primus/?EIO=4&transport=polling`);
      assert.equal(answer.status, 401);
      assert.equal(answer.headers.get('www-authenticate'), 'Bearer');
      assert.equal((await answer.json()).error, 'a token is needed');
      const bob = connect(t, `${server.url}?token=secret`, {}, npmClient(transformer));
      bob.write('let in');
      assert.equal(await bob.inbox.next(), 'let in');
    });

    it('loses nothing to a handler that takes its time', async (t) => {
      const server = await example(t, '--slow-handler', '300');
      const ann = client(t, server);
      for (let n = 1; n <= 50; n++) ann.write(n);
      assert.deepEqual(await ann.inbox.takeMany(50), Array.from({ length: 50 }, (_, n) => n + 1));
    });

    it('hears everything in order, whatever transforms do', async (t) => {
      const server = await example(t, '--slow-transform', '20');
      const ann = client(t, server);
      for (let n = 1; n <= 20; n++) ann.write(n);
      assert.deepEqual(await ann.inbox.takeMany(20), Array.from({ length: 20 }, (_, n) => n + 1));
    });

    it('is cut for a message that is too long, and comes back', async (t) => {
      const server = await example(t, '--max-length', '10000');
      const ann = client(t, server);
      await raised(ann, 'open');
      if (transformer === 'engine.io') await until(() => ann.socket.transport.name === 'websocket', 'the upgrade');
      ann.write('x'.repeat(20000));
      await raised(ann, 'reconnected');
      ann.write('short');
      assert.equal(await ann.inbox.next(), 'short');
    });

    it('sees a server off and the next one on', async (t) => {
      const server = await example(t);
      const clients = Array.from({ length: 5 }, () => client(t, server));
      for (const each of clients) {
        each.write('hello');
        await each.inbox.next();
      }
      clients[0].write({ do: 'all', data: 'to all' });
      for (const each of clients) assert.equal(await each.inbox.next(), 'to all');
      assert.equal(await server.stop('SIGTERM'), 0);
      await server.start();
      for (const each of clients) {
        each.write('again');
        assert.equal(await each.inbox.next(), 'again');
      }
    });

    it('cannot make the server say what it obeys', async (t) => {
      const server = await example(t);
      const [ann, bob] = [client(t, server), client(t, server)];
      for (const each of [ann, bob]) {
        each.write('here');
        assert.equal(await each.inbox.next(), 'here');
      }
      for (const text of ['primus::server::close', 'primus::pong::1', 'primus::nothing::', 'primus::']) {
        ann.write(text);
        ann.write({ do: 'all', data: text });
      }
      ann.write({ do: 'all', data: 'done' });
      assert.equal(await ann.inbox.next(), 'done');
      assert.equal(await bob.inbox.next(), 'done');
    });
  });
}

describe('the headers of answers', () => {
  it('have nothing cached, and old browsers left alone', async (t) => {
    const server = await example(t);
    const answer = await fetch(`${server.url}/primus/?EIO=4&transport=polling`, { headers: { 'user-agent': 'x Trident/7.0' } });
    assert.equal(answer.headers.get('cache-control'), 'no-store, no-cache, must-revalidate, max-age=0');
    assert.equal(answer.headers.get('pragma'), 'no-cache');
    assert.equal(answer.headers.get('x-xss-protection'), '0');
    assert.equal((await fetch(`${server.url}/primus`)).status, 426);
  });

  it('refuse pages that are not listed, in the words of Primus', async (t) => {
    const server = await example(t, '--origin', 'https://good.example');
    const get = (origin, method = 'GET', headers = {}) => fetch(`${server.url}/primus/?EIO=4&transport=polling`, { method, headers: { origin, ...headers } });
    const refused = await get('https://evil.example');
    assert.equal(refused.status, 403);
    assert.equal(
      await refused.text(),
      'Invalid HTTP Access Control (CORS) request:\n  Origin: https://evil.example\n  Method: GET',
    );
    const allowed = await get('https://good.example');
    assert.equal(allowed.status, 200);
    assert.equal(allowed.headers.get('access-control-allow-origin'), 'https://good.example');
    assert.equal(allowed.headers.get('access-control-allow-credentials'), 'true');
    assert.match(allowed.headers.get('vary'), /Origin/);
    const asked = await get('https://good.example', 'OPTIONS', { 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-mine' });
    assert.equal(asked.status, 200);
    assert.equal(asked.headers.get('access-control-allow-methods'), 'GET, HEAD, PUT, POST, DELETE, OPTIONS');
    assert.equal(asked.headers.get('access-control-allow-headers'), 'x-mine');
    assert.equal(asked.headers.get('access-control-max-age'), '2592000');
  });
});
