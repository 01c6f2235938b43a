'use strict';

// npm `primus` 8: how a connection begins and how it ends for good. Event orders are those of a Primus server.

const assert = require('node:assert/strict');
const http = require('node:http');
const { after, before, describe, it } = require('node:test');
const { Server, serve } = require('./support/server');
const { connect, told, ask } = require('./support/primus');
const { limited, raised, until } = require('./support/wait');

const ENDED = ['readyStateChange end', 'outgoing::end', 'close', 'end'];

describe('a primus client, from its opening to its end', () => {
  const server = new Server();
  before(() => server.start());
  after(() => server.kill());

  it('opens in the order of Primus and sends early writes first', async (t) => {
    const client = connect(t, server.url);
    client.write({ event: 'detailsView' });
    client.write({ event: 'roomAdd', room: 'lobby' });
    client.write({ event: 'say', room: 'lobby', message: 'early' });
    await raised(client, 'open');
    // The greeting may be there already.
    const story = told(client);
    assert.deepEqual(story.slice(0, story.indexOf('open') + 1), [
      'outgoing::open', 'readyStateChange opening', 'outgoing::end', 'outgoing::url',
      'incoming::open', 'readyStateChange open', 'outgoing::data', 'outgoing::data', 'outgoing::data', 'open',
    ]);
    assert.deepEqual(await client.inbox.next(), { welcome: 'Hello human! Welcome to Stellar', context: 'api' });
    const details = await client.inbox.response(1);
    assert.deepEqual(details.data.rooms, [], 'asked before the room was joined');
    assert.equal((await client.inbox.response(2)).data, true);
    assert.equal((await client.inbox.response(3)).status, 'OK');
    const said = await client.inbox.said();
    assert.equal(said.message, 'early');
    assert.equal(said.from, details.data.id);
  });

  it('is greeted before anything else, without a number', async (t) => {
    const client = connect(t, server.url);
    client.write({ event: 'detailsView' });
    assert.deepEqual(await client.inbox.next(), { welcome: 'Hello human! Welcome to Stellar', context: 'api' });
    assert.equal((await client.inbox.next()).messageCount, 1);
  });

  it('asks for its id, which is the one of detailsView and no packet', async (t) => {
    const client = connect(t, server.url);
    // Asked before it is open: the question waits with the writes.
    const early = limited(new Promise((resolve) => client.id(resolve)), 'the id');
    const details = await ask(client, { event: 'detailsView' });
    assert.equal(details.messageCount, 1, 'the question for the id is not counted');
    assert.equal(await early, details.data.id);
    assert.equal(await limited(new Promise((resolve) => client.id(resolve)), 'the id'), details.data.id);
    assert.equal((await ask(client, { event: 'detailsView' })).messageCount, 2);
    const texts = client.inbox.unread.filter((packet) => typeof packet === 'string');
    assert.deepEqual(texts, [], 'no control string reaches the application');
  });

  it('has a URL of its own for each connection, whose query the server leaves alone', async (t) => {
    const client = connect(t, `${server.url}/some/path?sessionID=abc&x=1&x=2`);
    const details = await ask(client, { event: 'detailsView' });
    assert.match(client.socket.url, /^ws:\/\/127\.0\.0\.1:\d+\/primus\?sessionID=abc&x=1&_primuscb=[\w.-]+$/);
    assert.equal(details.data.fingerprint, 'abc');
  });

  it('ends with a last packet, and the server forgets it', async (t) => {
    await server.untilConnections(0);
    const [client, other] = [connect(t, server.url), connect(t, server.url)];
    await ask(other, { event: 'roomAdd', room: 'random' });
    await ask(client, { event: 'roomAdd', room: 'random' });
    assert.equal(await server.connections(), 2);
    told(client);
    client.end({ event: 'say', room: 'random', message: 'farewell' });
    assert.deepEqual(told(client), ['outgoing::data', ...ENDED]);
    assert.equal((await other.inbox.said()).message, 'farewell');
    await server.untilConnections(1);
    assert.equal((await ask(other, { event: 'roomView', room: 'random' })).data.membersCount, 1);
  });

  it('is ended by quit, with the close message and no reconnection', async (t) => {
    const client = connect(t, server.url);
    await ask(client, { event: 'detailsView' });
    const closed = new Promise((resolve) => {
      client.socket.on('close', (code, reason) => resolve([code, String(reason)]));
    });
    told(client);
    client.write({ event: 'quit' });
    await raised(client, 'end');
    assert.deepEqual(told(client), ['outgoing::data', 'incoming::data', 'incoming::end', ...ENDED]);
    assert.equal(client.recovery.reconnecting(), false);
    assert.deepEqual(await limited(closed, 'the close'), [1005, ''], 'Primus servers close without a code');
    assert.deepEqual(client.inbox.unread.filter((packet) => packet.context === 'response'), []);
  });

  it('opens again after an end, with writes of the meantime', async (t) => {
    const client = connect(t, server.url);
    await ask(client, { event: 'detailsView' });
    client.write({ event: 'exit' });
    await raised(client, 'end');
    client.write({ event: 'roomAdd', room: 'lobby' });
    client.write({ event: 'detailsView' });
    client.open();
    const details = await client.inbox.response(2);
    assert.deepEqual(details.data.rooms, ['lobby'], 'the numbers began anew');
  });

  it('of a page of another origin is refused with 403, and is told so', async (t) => {
    const options = { transport: { headers: { origin: 'http://evil.example' } }, strategy: false };
    const client = connect(t, server.url, options);
    const [error] = await raised(client, 'error');
    assert.equal(error.message, 'Unexpected server response: 403');
    if (!client.story.includes('end')) await raised(client, 'end');
    assert.deepEqual(told(client), [
      'outgoing::open', 'readyStateChange opening', 'outgoing::end', 'outgoing::url',
      'incoming::error', 'error', ...ENDED,
    ]);
    assert.equal(await server.metric('stellar_handshakes_refused_total', '{reason="origin"}'), 1);
  });

  it('of a page of the server itself is welcome', async (t) => {
    const client = connect(t, server.url, { transport: { headers: { origin: server.url } } });
    assert.equal((await ask(client, { event: 'detailsView' })).status, 'OK');
  });

  it('is answered 426 where it does not ask for an upgrade', async () => {
    const answer = await limited(new Promise((resolve, reject) => {
      http.get(`${server.url}/primus?_primuscb=x`, resolve).on('error', reject);
    }), 'the answer');
    answer.resume();
    assert.equal(answer.statusCode, 426);
  });

  it('finds itself described at /primus/spec', async () => {
    const spec = await (await fetch(`${server.url}/primus/spec`)).json();
    assert.deepEqual(Object.keys(spec), ['pingInterval', 'pathname', 'version', 'parser', 'transformer']);
    assert.match(spec.version, /^8\./);
    delete spec.version;
    assert.deepEqual(spec, { pingInterval: 30000, pathname: '/primus', parser: 'json', transformer: 'websockets' });
  });
});

describe('a server that sends its clients away for good', () => {
  it('closes primus clients so that they do not come back', async (t) => {
    const server = await serve(t, '[general]\ndestroy_clients_on_shutdown = true\n');
    const client = connect(t, server.url);
    await ask(client, { event: 'detailsView' });
    told(client);
    const ended = raised(client, 'end');
    assert.equal(await server.stop(), 0);
    await ended;
    assert.deepEqual(told(client), ['incoming::data', 'incoming::end', ...ENDED]);
    assert.equal(client.recovery.reconnecting(), false);
  });
});

describe('a server that is gone', () => {
  it('is given up after the last attempt', async (t) => {
    const server = await serve(t);
    await server.stop();
    const client = connect(t, server.url, { reconnect: { min: 10, max: 20, retries: 2 } });
    const [error, options] = await raised(client, 'reconnect failed');
    assert.equal(error.message, 'Unable to recover');
    assert.equal(options.attempt, 2);
    await until(() => client.story.at(-1) === 'readyStateChange end', 'the end of the last attempt');
    const attempt = [
      'outgoing::reconnect', 'outgoing::open', 'readyStateChange opening', 'outgoing::end', 'outgoing::url',
      'reconnect',
    ];
    assert.deepEqual(told(client), [
      'outgoing::open', 'readyStateChange opening', 'outgoing::end', 'outgoing::url',
      'incoming::error', 'error', 'reconnect scheduled', 'incoming::end', 'readyStateChange end',
      ...attempt, 'incoming::error', 'reconnect scheduled', 'incoming::end', 'readyStateChange end',
      ...attempt, 'incoming::error', 'end', 'reconnect failed', 'incoming::end', 'readyStateChange end',
    ]);
  });
});
