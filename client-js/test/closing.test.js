'use strict';

// What `disconnected` tells, and whether the client comes back.

const { test } = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { ROOT } = require('./support/load');
const { World } = require('./support/world');

// `play` ends a connected client; gives what is told of it.
function ending(play, options) {
  const world = new World();
  const client = world.connected(options);
  const told = [];
  client.on('disconnected', (why) => told.push(why));
  play(world, client);
  assert.equal(told.length, 1);
  assert.equal(world.clock.timers.size > 0, told[0].reconnect, 'whether it comes back');
  return Object.values(told[0]);
}

test('codes of the server have the labels of its table', () => {
  const source = fs.readFileSync(path.join(ROOT, '../transports/src/close.rs'), 'utf8');
  const rows = [...source.matchAll(/^\/\/\/ \| \[`\w+`\]\(Self::\w+\) \| (\d+) \| `(\w+)` \|/gm)];
  assert.ok(rows.length >= 16, String(rows.length));
  for (const [, code, label] of rows) {
    const reason = label.replaceAll('_', ' ');
    const isOver = code === '1000';
    assert.deepEqual(ending((world) => world.socket.drop(+code, reason)), [+code, label, reason, !isOver]);
  }
});

test('codes of others are those of a peer that closed', () => {
  for (const code of [1005, 1012, 3000, 4200]) {
    assert.deepEqual(ending((world) => world.socket.drop(code, '')), [code, 'peer_closed', '', true]);
  }
  assert.deepEqual(ending((world) => world.socket.drop(1000, '')), [1000, 'ended', '', true], 'nobody said that it is for good');
});

test('codes that say so are final', () => {
  for (const [code, reason] of [[4500, ''], [4999, 'x'], [1000, 'ended by the server']]) {
    const [, , , reconnect] = ending((world) => world.socket.drop(code, reason));
    assert.equal(reconnect, false, String(code));
  }
});

test('what the client knows itself has its own label', () => {
  const tell = (play, options) => ending(play, options);
  assert.deepEqual(tell((world, client) => client.disconnect()), [1000, 'disconnected', 'disconnected', false]);
  assert.deepEqual(tell((world, client) => client.connect(() => {})), [1000, 'replaced', 'replaced by another connect()', true]);
  assert.deepEqual(tell((world) => world.socket.frame('"primus::server::close"')), [1000, 'ended', 'closed by the server', false]);
  assert.deepEqual(tell((world) => world.fire('offline')), [1006, 'offline', 'the network is offline', true]);
  assert.deepEqual(tell((world) => world.clock.advance(45000)), [1006, 'heartbeat_missed', 'nothing heard for 45000 ms', true]);
  assert.deepEqual(tell((world) => {
    world.fire('pagehide');
    world.fire('pageshow');
  }), [1006, 'page_left', 'the page was left', true]);
  assert.deepEqual(tell((world) => {
    world.socket.onerror({ message: 'ECONNRESET' });
    world.socket.drop();
  }), [1006, 'peer_gone', 'ECONNRESET', true]);
});

test('without attempts to follow it says that it does not come back', () => {
  assert.equal(ending((world) => world.socket.drop(), { reconnect: false })[3], false);
  assert.equal(ending((world) => world.socket.drop(), { reconnect: { retries: 0 } })[3], false);
});
