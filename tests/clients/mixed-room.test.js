'use strict';

// Every kind of client, unmodified, in one room of one server: npm `primus` with both transformers, npm `ws` on both
// doors, both versions of npm `engine.io-client`, and the served client script, each over every transport that it has.

const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');
const { Server } = require('./support/server');
const engineio = require('./support/engineio');
const primus = require('./support/primus');
const peer = require('./support/peer');
const { make, requester } = require('./support/stellar');
const { raised, until } = require('./support/wait');

const COUNT = 200;

// How each gets in: a client, how to ask on it, and where its packets come out.
const WAYS_IN = {};

for (const door of ['/primus', '/ws']) {
  WAYS_IN[`ws on ${door}`] = async (t, server, hear) => {
    const socket = await peer.open(t, server.wsUrl + door);
    socket.on('message', (text) => hear(JSON.parse(text)));
    return (packet) => peer.ask(socket, packet);
  };
}

WAYS_IN.primus = async (t, server, hear) => {
  const client = primus.connect(t, server.url);
  client.on('data', (packet) => hear(structuredClone(packet)));
  return (packet) => primus.ask(client, packet);
};

for (const way of Object.keys(primus.WAYS)) {
  WAYS_IN[`primus of engine.io over ${way}`] = async (t, server, hear) => {
    const client = primus.connectEngineIo(t, server.url, way);
    client.on('data', (packet) => hear(structuredClone(packet)));
    await client.moved();
    return (packet) => primus.ask(client, packet);
  };
}

for (const kind of engineio.KINDS) {
  WAYS_IN[kind.name] = async (t, server, hear) => {
    const socket = await engineio.open(t, server.url, kind);
    socket.on('message', (text) => hear(JSON.parse(text)));
    return (packet) => engineio.ask(socket, packet);
  };
}

const SCRIPTS = ['client script over ws', 'client script over polling'];
const KINDS = [...Object.keys(WAYS_IN), ...SCRIPTS];

// One member: `say` sends a message and tells by a promise what was answered, `heard` is what came from the room.
async function enter(t, server, kind, room) {
  const heard = [];
  if (SCRIPTS.includes(kind)) {
    const transports = [kind.split(' ').at(-1)];
    const client = await make(t, server, { rooms: [room], transports, XMLHttpRequest: requester(t) });
    await client.connect();
    assert.equal(client.transport, transports[0]);
    client.on('say', (packet) => heard.push(packet));
    return { kind, heard, id: client.id, client, say: (message) => client.say(room, message) };
  }
  const ask = await WAYS_IN[kind](t, server, (packet) => { if (packet.context === 'user') heard.push(packet); });
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
    assert.equal(view.membersCount, KINDS.length);
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
