'use strict';

// The served client script where it polls: as the only transport of the server, and where the client has no WebSocket.

const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');
const { QUIET, Server, serve } = require('./support/server');
const peer = require('./support/peer');
const { between } = require('./support/proxy');
const { load, make, requester, seen, story } = require('./support/stellar');
const { limited, raised, until } = require('./support/wait');

const RECOVERY = ['disconnected', 'reconnecting', 'reconnect', 'connected'];

// Attempts may fail before one succeeds; each failure is an error of its own.
function withoutFailures(client) {
  return story(client).filter((event) => event !== 'error').filter((event, index, all) => event !== all[index - 1]);
}

async function enter(t, server, options) {
  const Request = requester(t);
  const client = await make(t, server, { XMLHttpRequest: Request, ...options });
  await client.connect();
  assert.equal(client.transport, 'polling');
  client.requests = Request.requests;
  return client;
}

describe('the client script of a server that only polls', () => {
  const server = new Server(QUIET, 'polling');
  before(() => server.start());
  after(() => server.kill());

  it('speaks the verbs and keeps its rooms', async (t) => {
    const client = await enter(t, server, { rooms: ['lobby'] });
    assert.deepEqual(client.links, [], 'no WebSocket was tried');
    assert.equal(client.welcomeMessage, 'Hello human! Welcome to Stellar');
    const sum = await client.action('formattedSum', { a: 3, b: 4 });
    assert.deepEqual([sum.formatted, sum.context], ['3 + 4 = 7', 'response']);
    await client.say('lobby', { text: 'Grüße 😀\u2028\u001e' });
    await until(() => seen(client, 'say').length === 1, 'the own words');
    assert.deepEqual(seen(client, 'say')[0].message, { text: 'Grüße 😀\u2028\u001e' });
    assert.equal((await client.roomView('lobby')).members[client.id].id, client.id);
    assert.equal((await client.file('images/logo.png')).encoding, 'base64');
    await assert.rejects(client.roomAdd('crazyRoom'), { code: '019' });
    assert.deepEqual((await client.roomLeave('lobby')).rooms, []);
  });

  it('sends a burst of small calls in one POST', async (t) => {
    const client = await enter(t, server);
    await client.detailsView();
    const { length } = client.requests;
    const answers = await Promise.all(Array.from({ length: 200 }, () => client.detailsView()));
    const posts = client.requests.slice(length).filter(({ method }) => method === 'POST');
    assert.deepEqual(posts.map(({ body }) => body.split('\x1e').length), [200]);
    answers.forEach(({ messageCount }, index) => assert.equal(messageCount, answers[0].messageCount + index));
  });

  it('gets 10,000 answers and 10,000 messages, in order', async (t) => {
    const COUNT = 10000;
    const client = await enter(t, server, { rooms: ['random'] });
    const other = await enter(t, server, { rooms: ['random'] });
    const heard = [];
    client.on('say', ({ message }) => heard.push(message));
    const answers = [];
    for (let n = 0; n < COUNT; n++) {
      answers.push(client.detailsView());
      other.say('random', n).catch(() => {});
    }
    const numbers = (await limited(Promise.all(answers), 'all answers')).map(({ messageCount }) => messageCount);
    assert.deepEqual(numbers, Array.from({ length: COUNT }, (_, n) => n + 3));
    await until(() => heard.length >= COUNT, 'all messages');
    await client.detailsView();
    assert.deepEqual(heard, Array.from({ length: COUNT }, (_, n) => n));
  });

  it('sends no more at once than the server takes; what is too large alone ends in an error', async (t) => {
    const small = await serve(t, '[polling]\nmax_payload_bytes = 2000\n', 'polling');
    const client = await enter(t, small, { rooms: ['lobby'] });
    const said = Array.from({ length: 50 }, (_, n) => `${n} ${'Grüße 😀'.repeat(20)}`);
    await Promise.all(said.map((message) => client.say('lobby', message)));
    await until(() => seen(client, 'say').length === 50, 'all of it');
    assert.deepEqual(seen(client, 'say').map(({ message }) => message), said);
    const posts = client.requests.filter(({ method }) => method === 'POST');
    assert.deepEqual(posts.filter(({ body }) => Buffer.byteLength(body) > 2000), []);
    assert.ok(posts.length < 50, 'as many as fit go together');
    story(client);
    await assert.rejects(client.say('lobby', 'x'.repeat(2000)), /413/);
    await raised(client, 'connected');
    assert.deepEqual(withoutFailures(client), RECOVERY);
  });

  it('is gone from its room at once when it disconnects, after its last words', async (t) => {
    const client = await enter(t, server, { rooms: ['lobby'] });
    const other = await enter(t, server, { rooms: ['lobby'] });
    const { id } = client;
    client.say('lobby', 'farewell').catch(() => {});
    client.disconnect();
    await until(() => seen(other, 'say').some(({ message }) => message === 'farewell'), 'the last words');
    await until(async () => !(await other.roomView('lobby')).members[id], 'the member to be gone');
  });
});

describe('the client script without WebSocket', { concurrency: true }, () => {
  it('polls at a server that has both, and does not try to move', async (t) => {
    const server = await serve(t);
    const proxy = await between(t, server);
    const { WebSocket } = globalThis; // newer versions of Node have one
    delete globalThis.WebSocket;
    t.after(() => { if (WebSocket) globalThis.WebSocket = WebSocket; });
    const StellarClient = await load(server);
    const client = new StellarClient({ url: proxy.url, XMLHttpRequest: requester(t), upgradeDelay: 20 });
    t.after(() => client.disconnect());
    await client.connect();
    assert.equal(client.transport, 'polling');
    const began = Date.now();
    await until(() => Date.now() - began > 300, 'many times the delay');
    assert.equal((await client.detailsView()).status, 'OK');
    assert.deepEqual(proxy.upgrades, []);
  });

  it('stays for five heartbeats without a word', async (t) => {
    const server = await serve(t, [
      '[limits]', 'ping_interval_ms = 60000', '[polling]', 'ping_interval_ms = 300', 'ping_timeout_ms = 60000', '',
    ].join('\n'), 'polling');
    const client = await enter(t, server);
    const { id } = client;
    const pongs = () => client.requests.filter(({ method, body }) => method === 'POST' && /(^|\x1e)3/.test(body)).length;
    const began = Date.now();
    await until(() => pongs() >= 5, 'five pongs');
    assert.ok(Date.now() - began > 4 * 300);
    assert.equal((await client.detailsView()).id, id);
    assert.deepEqual(story(client), ['connected']);
    assert.equal(client.messageCount, 2, 'pongs are not counted');
  });

  for (const [how, signal] of [['a restart', 'SIGTERM'], ['a crash', 'SIGKILL']]) {
    it(`comes back after ${how} of the server, into its rooms`, async (t) => {
      const server = await serve(t, '', 'polling');
      const client = await enter(t, server, { rooms: ['defaultRoom'] });
      await client.roomAdd('lobby');
      const before = client.id;
      story(client);
      const disconnected = raised(client, 'disconnected');
      await server.stop(signal);
      await disconnected;
      assert.equal(client.transport, null);
      await until(() => seen(client, 'reconnecting').length >= 2, 'a second attempt');
      const connected = raised(client, 'connected');
      await server.start();
      await connected;
      assert.deepEqual(withoutFailures(client), RECOVERY);
      assert.deepEqual(client.rooms, ['defaultRoom', 'lobby']);
      assert.notEqual(client.id, before);
      assert.equal(client.transport, 'polling');
    });
  }

  it('notices a network that is gone without a word, and comes back', async (t) => {
    const server = await serve(t, '[polling]\nping_interval_ms = 1500\nping_timeout_ms = 1500\n', 'polling');
    const proxy = await between(t, server);
    const client = await enter(t, server, { url: proxy.url });
    const action = client.action('sleep', { sleepDuration: 20000 });
    const lost = assert.rejects(action, ({ error }) => /nothing heard/.test(error.message));
    await client.detailsView();
    const connected = raised(client, 'connected');
    // The GET that is held may still be answered; what follows arrives nowhere.
    proxy.forward = () => {};
    await raised(client, 'disconnected');
    delete proxy.forward;
    await lost;
    await connected;
    await server.untilConnections(1);
  });

  for (const [how, config, end] of [
    ['quit', '', (server, client) => client.quit()],
    ['a server that sends its clients away', '[general]\ndestroy_clients_on_shutdown = true\n', (server) => server.stop()],
  ]) {
    it(`does not come back after ${how}`, async (t) => {
      const server = await serve(t, config, 'polling');
      const client = await enter(t, server);
      // Below the client, which has no such method.
      const Request = requester(t);
      client.quit = () => {
        const post = client.requests.find(({ method }) => method === 'POST');
        const request = new Request();
        request.onreadystatechange = () => {};
        request.open('POST', server.url + post.url);
        request.send('4{"event":"quit"}');
      };
      story(client);
      await server.settle(); // a GET is held
      const disconnected = raised(client, 'disconnected');
      const ended = end(server, client);
      await disconnected;
      await ended;
      if (how !== 'quit') await server.start();
      const { length } = client.requests;
      const began = Date.now();
      await until(() => Date.now() - began > 300, 'many times the delay of its first attempt');
      assert.deepEqual(story(client), ['disconnected']);
      assert.equal(client.state, 'disconnected');
      assert.equal(client.requests.length, length);
      assert.equal(await server.connections(), 0);
    });
  }
});
