'use strict';

// Every kind of client, unmodified, in one room of one server: npm `primus` with both transformers, npm `ws` on both
// doors, npm `engine.io-client` and `socket.io-client` in all their versions, python-socketio, and the served client
// scripts, each over every transport that it has.

const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');
const { Server } = require('./support/server');
const engineio = require('./support/engineio');
const primus = require('./support/primus');
const peer = require('./support/peer');
const python = require('./support/python');
const socketio = require('./support/socketio');
const { load, make, requester } = require('./support/stellar');
const { raised, until } = require('./support/wait');

const COUNT = 200;

// What is left of a text that was cut inside an emoji, what it is where it has to be UTF-8, and what npm's encoder of
// msgpack makes of it.
const HALF = 'nice 😀'.slice(0, -1);
const MENDED = HALF.toWellFormed();
const PACKED = 'nice 🐀';

// How each gets in: a client, how to ask on it, and where its packets come out.
const WAYS_IN = {};
// In which bytes a message comes to each.
const ENCODINGS = {};

// What carries a client's packets. Where polling began with base64, the WebSocket goes on with it.
function carrier(way, beginsWithBase64) {
  if (way === 'polling') return 'polling';
  return beginsWithBase64 && way !== 'WebSocket' ? 'websocket, base64' : 'websocket';
}

for (const door of ['/primus', '/ws']) {
  const name = `ws on ${door}`;
  ENCODINGS[name] = 'text frame';
  WAYS_IN[name] = async (t, server, hear) => {
    const socket = await peer.open(t, server.wsUrl + door);
    socket.on('message', (text) => hear(JSON.parse(text)));
    return (packet) => peer.ask(socket, packet);
  };
}

ENCODINGS.primus = 'text frame';
WAYS_IN.primus = async (t, server, hear) => {
  const client = primus.connect(t, server.url);
  client.on('data', (packet) => hear(structuredClone(packet)));
  return (packet) => primus.ask(client, packet);
};

for (const way of Object.keys(primus.WAYS)) {
  const name = `primus of engine.io over ${way}`;
  ENCODINGS[name] = `engine.io 4 ${carrier(way, true)}`;
  WAYS_IN[name] = async (t, server, hear) => {
    const client = primus.connectEngineIo(t, server.url, way);
    client.on('data', (packet) => hear(structuredClone(packet)));
    await client.moved();
    return (packet) => primus.ask(client, packet);
  };
}

for (const kind of engineio.KINDS) {
  const version = kind.client === 'engine.io-client 6' ? 4 : 3;
  ENCODINGS[kind.name] = `engine.io ${version} ${carrier(kind.way, version === 3)}`;
  WAYS_IN[kind.name] = async (t, server, hear) => {
    const socket = await engineio.open(t, server.url, kind);
    socket.on('message', (text) => hear(JSON.parse(text)));
    return (packet) => engineio.ask(socket, packet);
  };
}

for (const kind of socketio.KINDS) {
  const { protocol, parser } = kind;
  // In Node. Their requests cannot read bytes there.
  const beginsWithBase64 = ['socket.io-client 2', 'socket.io-client 3'].includes(kind.client);
  ENCODINGS[kind.name] = `socket.io ${protocol} ${parser ? 'msgpack' : 'JSON'} ${carrier(kind.way, beginsWithBase64)}`;
  WAYS_IN[kind.name] = async (t, server, hear) => {
    const socket = await socketio.open(t, server.url, kind);
    socket.on('say', hear);
    return ({ event, ...packet }) => socketio.ask(socket, event, packet);
  };
}

for (const way of Object.keys(python.WAYS)) {
  const name = `python-socketio over ${way}`;
  ENCODINGS[name] = `socket.io 5 JSON ${carrier(way)}`;
  WAYS_IN[name] = (t, server, hear) => python.open(t, server.url, way, hear);
}

// The transport for which the script is fetched, and the one of its own that it uses.
const SCRIPTS = {
  'client script over ws': { script: 'ws', transport: 'ws' },
  'client script over polling': { script: 'polling', transport: 'polling' },
  'client script over socket.io': { script: 'socketio', transport: 'socketio' },
  'client script over socket.io that polls': { script: 'socketio', transport: 'socketio-polling' },
};
Object.assign(ENCODINGS, {
  'client script over ws': 'text frame',
  'client script over polling': 'engine.io 4 polling',
  'client script over socket.io': 'socket.io 5 JSON websocket',
  'client script over socket.io that polls': 'socket.io 5 JSON polling',
});
const KINDS = [...Object.keys(WAYS_IN), ...Object.keys(SCRIPTS)];

// One member: `say` sends a message and tells by a promise what was answered, `heard` is what came from the room.
async function enter(t, server, kind, room) {
  const heard = [];
  if (SCRIPTS[kind]) {
    const { script, transport } = SCRIPTS[kind];
    const options = { rooms: [room], transports: [transport], XMLHttpRequest: requester(t) };
    const client = await make(t, server, options, load(server, script));
    await client.connect();
    assert.equal(client.transport, transport);
    client.on('say', (packet) => heard.push(packet));
    const call = ({ action, ...params }) => client.action(action, params);
    return { kind, heard, id: client.id, client, say: (message) => client.say(room, message), call };
  }
  const ask = await WAYS_IN[kind](t, server, (packet) => { if (packet.context === 'user') heard.push(packet); });
  assert.equal((await ask({ event: 'roomAdd', room })).status, 'OK');
  const { data } = await ask({ event: 'detailsView' });
  const call = (params) => ask({ event: 'action', params });
  return { kind, heard, id: data.id, say: (message) => ask({ event: 'say', room, message }), call };
}

describe('a mixed room', () => {
  const server = new Server();
  before(python.install);
  before(() => server.start());
  after(() => server.kill());

  it('brings every message to every member once, in order, and encodes it once per dialect', async (t) => {
    const members = await Promise.all(KINDS.map((kind) => enter(t, server, kind, 'lobby')));
    const encoded = () => server.metric('stellar_messages_encoded_total');
    const before = await encoded();
    const answers = [];
    for (let n = 0; n < COUNT; n++) {
      for (const member of members) answers.push(member.say({ kind: member.kind, n, text: 'Grüße 😀\u2028' }));
      // Not all in one piece: the server gets to read from one while another speaks.
      if (n % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
      // Who waits for an answer does so for a limited time.
      if (n % 20 === 19) await Promise.all(answers);
    }
    for (const answer of await Promise.all(answers)) assert.equal(answer.status, 'OK');
    const total = COUNT * members.length;
    for (const { kind, heard } of members) await until(() => heard.length >= total, `${total} messages for ${kind}`);
    // Answers come behind what was said before: whatever is doubled has arrived once these are here.
    await Promise.all(members.map((member) => member.say('the end')));
    for (const { kind, heard } of members) {
      await until(() => heard.length >= total + members.length, `the end for ${kind}`);
    }
    const encodings = new Set(members.map(({ kind }) => ENCODINGS[kind])).size;
    // Each speaker is answered, too.
    const perMessage = (await encoded() - before) / (total + members.length);
    assert.ok(perMessage > 1 && perMessage <= encodings + 1, `${perMessage} of ${encodings} for each message`);
    assert.ok(encodings + 1 < members.length / 2, 'which is not once per member');

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

  it('takes half of an emoji from everybody, and brings it to everybody', async (t) => {
    const isPacked = (kind) => kind.includes('msgpack');
    // Not the room whose members the next test counts: a client that polls leaves a moment after its test.
    const members = await Promise.all(KINDS.map((kind) => enter(t, server, kind, 'lobby')));
    for (const { kind, say, call } of members) {
      assert.equal((await say({ kind, text: HALF, [HALF]: [HALF] })).status, 'OK', kind);
      const { cacheTestResults } = await call({ action: 'cacheTest', key: HALF, value: HALF });
      const { key, value } = cacheTestResults.loadResp;
      const read = isPacked(kind) ? PACKED : MENDED;
      assert.deepEqual([key, value], [`cache_test_${read}`, read], kind);
    }
    for (const { kind, heard } of members) {
      await until(() => heard.length >= members.length, `what everybody said, for ${kind}`);
      members.forEach((speaker, index) => {
        // JSON is passed on as it came.
        const text = isPacked(speaker.kind) ? PACKED : isPacked(kind) ? MENDED : HALF;
        const expected = { kind: speaker.kind, text, [text]: [text] };
        assert.deepEqual(heard[index].message, expected, `${kind} hears ${speaker.kind}`);
      });
    }
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
