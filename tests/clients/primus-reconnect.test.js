'use strict';

// npm `primus` 8: connections that break, and come back by themselves. Event orders are those of a Primus server.

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');
const { serve } = require('./support/server');
const { between } = require('./support/proxy');
const { connect, told, ask } = require('./support/primus');
const { limited, raised, until } = require('./support/wait');

const LOSS = ['incoming::end', 'readyStateChange end', 'close', 'reconnect scheduled'];
const ATTEMPT = [
  'outgoing::reconnect', 'outgoing::open', 'readyStateChange opening', 'outgoing::end', 'outgoing::url', 'reconnect',
];
const FAILURE = ['incoming::error', 'reconnect scheduled', 'incoming::end', 'readyStateChange end'];
const SUCCESS = ['incoming::open', 'reconnected', 'readyStateChange open'];

// Everything from the loss to `open`, with as many failed attempts as there were, at least `atLeast`.
function assertRecovery(story, atLeast, writes = 0) {
  const failed = story.filter((event) => event === 'incoming::error').length;
  assert.ok(failed >= atLeast, `${failed} failed attempts`);
  const expected = [...LOSS];
  for (let i = 0; i < failed; i++) expected.push(...ATTEMPT, ...FAILURE);
  expected.push(...ATTEMPT, ...SUCCESS, ...Array(writes).fill('outgoing::data'), 'open');
  assert.deepEqual(story.slice(0, story.indexOf('open') + 1), expected);
}

function attempts(client) {
  return client.story.filter((event) => event === 'reconnect').length;
}

describe('a primus client that loses its connection', () => {
  for (const [how, signal, status, code] of [
    ['a restarted server', 'SIGTERM', 0, 1001],
    ['a server that was killed', 'SIGKILL', 'SIGKILL', 1006],
  ]) {
    it(`comes back to ${how}`, async (t) => {
      const server = await serve(t);
      const client = connect(t, server.url);
      const before = await ask(client, { event: 'detailsView' });
      await ask(client, { event: 'roomAdd', room: 'lobby' });
      const closed = new Promise((resolve) => client.socket.on('close', resolve));
      // Looked at when it is raised: Primus changes the object later.
      const scheduled = raised(client, 'reconnect scheduled').then(([options]) => ({ ...options }));
      client.inbox.unread.length = 0;
      told(client);

      assert.equal(await server.stop(signal), status);
      assert.equal(await limited(closed, 'the close'), code);
      const options = await scheduled;
      assert.equal(options.attempt, 1);
      assert.equal(options.scheduled, 20, 'Primus does not jitter its first attempt');
      // Both are kept until the connection is back.
      client.write({ event: 'roomAdd', room: 'random' });
      client.write({ event: 'detailsView' });
      await until(() => attempts(client) >= 2, 'a second attempt');
      const reconnected = raised(client, 'reconnected');
      const open = raised(client, 'open');
      await server.start();
      const [done] = await reconnected;
      await open;
      assert.ok(done.duration > 0);
      assertRecovery(told(client), 1, 2);

      assert.equal((await client.inbox.next()).welcome, 'Hello human! Welcome to Stellar');
      assert.equal((await client.inbox.response(1)).data, true);
      const after = await client.inbox.response(2);
      assert.deepEqual(after.data.rooms, ['random'], 'a new connection is in no room');
      assert.notEqual(after.data.id, before.data.id);
      assert.equal(after.data.totalActions, 0);
    });
  }

  it('comes back over a connection that was cut, and the server forgets the old one', async (t) => {
    const server = await serve(t);
    const proxy = await between(t, server);
    const client = connect(t, proxy.url);
    const witness = connect(t, server.url);
    await ask(witness, { event: 'roomAdd', room: 'lobby' });
    await ask(client, { event: 'roomAdd', room: 'lobby' });
    for (let round = 0; round < 3; round++) {
      told(client);
      const open = raised(client, 'open');
      proxy.cut();
      await open;
      assertRecovery(told(client), 0);
      await ask(client, { event: 'roomAdd', room: 'lobby' });
      await until(async () => {
        const { data } = await ask(witness, { event: 'roomView', room: 'lobby' });
        return data.membersCount === 2;
      }, 'two members');
    }
    assert.equal(await server.connections(), 2);
    const handshakes = new Set(proxy.upgrades.map(({ url }) => url));
    assert.equal(handshakes.size, 4, 'each attempt has a URL of its own');
  });

  it('is closed with 1009 for a message over the limit, comes back, and bothers nobody else', async (t) => {
    const server = await serve(t, '[limits]\nmax_message_bytes = 2000\n');
    const client = connect(t, server.url);
    const other = connect(t, server.url);
    const before = await ask(other, { event: 'detailsView' });
    await ask(client, { event: 'roomAdd', room: 'lobby' });
    const fits = 'x'.repeat(1900);
    assert.equal((await ask(client, { event: 'say', room: 'lobby', message: fits })).status, 'OK');
    const closed = new Promise((resolve) => {
      client.socket.on('close', (code, reason) => resolve([code, String(reason)]));
    });
    const open = raised(client, 'open');
    told(client);
    client.write({ event: 'say', room: 'lobby', message: 'x'.repeat(2001) });
    assert.deepEqual(await limited(closed, 'the close'), [1009, 'message too big']);
    await open;
    const [written, ...story] = told(client);
    assert.equal(written, 'outgoing::data');
    assertRecovery(story, 0);
    assert.equal((await ask(client, { event: 'detailsView' })).messageCount, 1);
    const after = await ask(other, { event: 'detailsView' });
    assert.equal(after.data.id, before.data.id);
    assert.equal(after.messageCount, 2);
  });

  it('does not come back without the strategy to', async (t) => {
    const server = await serve(t);
    const client = connect(t, server.url, { strategy: false });
    await ask(client, { event: 'detailsView' });
    told(client);
    const ended = raised(client, 'end');
    await server.stop();
    await ended;
    assert.deepEqual(told(client), ['incoming::end', 'readyStateChange end', 'close', 'outgoing::end', 'end']);
  });
});
