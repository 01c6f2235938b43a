'use strict';

// Four kinds of clients, unmodified, in one room of one server: npm `primus`, npm `ws` on both doors, and the served
// client script.

const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');
const { Server } = require('./support/server');
const primus = require('./support/primus');
const peer = require('./support/peer');
const { make } = require('./support/stellar');
const { raised, until } = require('./support/wait');

const COUNT = 200;
const KINDS = ['primus', 'ws on /primus', 'ws on /ws', 'client script'];

// One member: `say` sends a message and tells by a promise what was answered, `heard` is what came from the room.
async function enter(t, server, kind, room) {
  const heard = [];
  if (kind === 'client script') {
    const client = await make(t, server, { rooms: [room] });
    await client.connect();
    client.on('say', (packet) => heard.push(packet));
    return { kind, heard, id: client.id, client, say: (message) => client.say(room, message) };
  }
  let ask;
  if (kind === 'primus') {
    const client = primus.connect(t, server.url);
    client.on('data', (packet) => { if (packet.context === 'user') heard.push(structuredClone(packet)); });
    ask = (packet) => primus.ask(client, packet);
  } else {
    const socket = await peer.open(t, server.wsUrl + kind.slice('ws on '.length));
    socket.on('message', (text) => {
      const packet = JSON.parse(text);
      if (packet.context === 'user') heard.push(packet);
    });
    ask = (packet) => peer.ask(socket, packet);
  }
  assert.equal((await ask({ event: 'roomAdd', room })).status, 'OK');
  const { data } = await ask({ event: 'detailsView' });
  return { kind, heard, id: data.id, say: (message) => ask({ event: 'say', room, message }) };
}

describe('a mixed room', () => {
  const server = new Server();
  before(() => server.start());
  after(() => server.kill());

  it('brings every message to every member once, in order, without a gap', async (t) => {
    const members = await Promise.all(KINDS.map((kind) => enter(t, server, kind, 'lobby')));
    const answers = [];
    for (let n = 0; n < COUNT; n++) {
      for (const member of members) answers.push(member.say({ kind: member.kind, n, text: 'Grüße 😀\u2028' }));
      // Not all in one piece: the server gets to read from one while another speaks.
      if (n % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    for (const answer of await Promise.all(answers)) assert.equal(answer.status, 'OK');
    const total = COUNT * members.length;
    for (const { kind, heard } of members) await until(() => heard.length >= total, `${total} messages for ${kind}`);
    // Answers come behind what was said before: whatever is doubled has arrived once these are here.
    await Promise.all(members.map((member) => member.say('the end')));
    for (const { kind, heard } of members) {
      await until(() => heard.length >= total + members.length, `the end for ${kind}`);
    }

    const [{ heard: reference }] = members;
    const first = reference[0].seq;
    for (const { kind, heard } of members) {
      assert.equal(heard.length, total + members.length, `${kind} hears each message once`);
      heard.forEach(({ seq }, index) => assert.equal(seq, first + index, `${kind}: no gap, no repetition`));
      for (const speaker of members) {
        const said = heard.filter(({ from }) => from === speaker.id).slice(0, -1);
        assert.equal(said.length, COUNT, `${kind} hears all of ${speaker.kind}`);
        said.forEach(({ message }, n) => {
          assert.deepEqual(message, { kind: speaker.kind, n, text: 'Grüße 😀\u2028' });
        });
      }
      assert.deepEqual(heard, reference, `${kind} hears the same as ${members[0].kind}`);
    }
    assert.equal(new Set(reference.map(({ epoch }) => epoch)).size, 1);
  });

  it('counts and lists its members whatever they came by', async (t) => {
    const members = await Promise.all(KINDS.map((kind) => enter(t, server, kind, 'random')));
    const { client } = members.at(-1);
    const view = await client.roomView('random');
    assert.equal(view.membersCount, 4);
    assert.deepEqual(Object.keys(view.members).sort(), members.map(({ id }) => id).sort());
  });

  it('carries room events as well', async (t) => {
    const members = await Promise.all(KINDS.map((kind) => enter(t, server, kind, 'defaultRoom')));
    const { client } = members.at(-1);
    const waved = raised(client, '[defaultRoom].wave');
    await client.to('defaultRoom').emit('wave', { hands: 2 });
    const [data, packet] = await waved;
    assert.deepEqual(data, { hands: 2 });
    for (const { kind, heard } of members) {
      await until(() => heard.length === 1, `the wave for ${kind}`);
      assert.deepEqual(heard[0], packet);
      assert.deepEqual(heard[0].message, { event: 'wave', data: { hands: 2 } });
    }
  });
});
