'use strict';

// Rooms have no client part, neither ours nor npm's: what is written to a room arrives as ordinary data.

const { afterEach } = require('node:test');
const assert = require('node:assert/strict');
const npmEmitter = require('primus-emitter');
const npmRooms = require('primus-rooms');
const { World, load, ours, record, test } = require('./support/plugins');

let world;
afterEach(() => world?.stop());

test('there is nothing in the client', () => {
  const entry = load('rooms');
  assert.equal(entry.client, null);
  assert.equal(entry.library, null);
  assert.equal(npmRooms.client, undefined);
  assert.equal(npmRooms.library, undefined);
});

test('a member sees what is written to its room, as plain data or as an event', async () => {
  world = await World.start({ emit: ours('emit', npmEmitter), rooms: ours('rooms', npmRooms) });
  const member = await world.pair();
  const stranger = await world.pair();
  const seen = [member, stranger].map(({ client }) => ({ data: record(client, 'data'), news: record(client, 'news') }));
  await new Promise((resolve) => member.spark.join('chat', resolve));
  world.primus.room('chat').write({ hi: 1 });
  world.primus.room('chat').except(member.spark.id).write('not for you');
  world.primus.room('chat').send('news', 'a', 2);
  for (const { client } of [member, stranger]) await world.settled(client);
  assert.deepEqual(seen[0].data.slice(0, -1), [[{ hi: 1 }, '{"hi":1}']]);
  assert.deepEqual(seen[0].news, [['a', 2]]);
  assert.deepEqual([seen[1].data.length, seen[1].news], [1, []]);
});
