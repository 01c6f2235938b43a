'use strict';

// npm `primus` 8 as a raw Stellar client: every verb as a packet, and every kind of content there and back.

const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');
const { Server } = require('./support/server');
const { connect, ask } = require('./support/primus');
const peer = require('./support/peer');

describe('a primus client that speaks in packets', () => {
  const server = new Server();
  before(() => server.start());
  after(() => server.kill());

  it('speaks all verbs, each answered by its number', async (t) => {
    const client = connect(t, server.url);
    const { inbox } = client;
    let number = 0;
    const exchange = async (packet) => {
      client.write(packet);
      return inbox.response(++number);
    };
    const verb = (answer) => ({ context: 'response', messageCount: number, ...answer });

    const details = await exchange({ event: 'detailsView' });
    assert.deepEqual(Object.keys(details).sort(), ['context', 'data', 'messageCount', 'status']);
    const { id, connectedAt, remotePort, ...rest } = details.data;
    assert.deepEqual(rest, {
      fingerprint: null, remoteIP: '127.0.0.1', params: {}, rooms: [], totalActions: 0, pendingActions: 0,
    });
    assert.ok(connectedAt <= Date.now() && remotePort > 0);

    const refusal = `Connection (${id}) not in room (defaultRoom)`;
    const early = await exchange({ event: 'say', room: 'defaultRoom', message: 'too early' });
    assert.deepEqual(early, verb({ status: refusal, error: { code: '016', message: refusal } }));
    const joined = await exchange({ event: 'roomAdd', room: 'defaultRoom' });
    assert.deepEqual(joined, verb({ status: 'OK', data: true }));
    const joinedToo = await exchange({ event: 'roomJoin', room: 'lobby' });
    assert.deepEqual(joinedToo, verb({ status: 'OK', data: true }));
    const twice = await exchange({ event: 'roomJoin', room: 'lobby' });
    assert.equal(twice.error.code, '017');
    assert.equal(twice.data, false);

    const answer = await exchange({ message: 'hi', room: 'defaultRoom', event: 'say' });
    assert.deepEqual(answer, verb({ status: 'OK' }));
    const said = await inbox.said();
    assert.deepEqual(Object.keys(said).sort(), ['context', 'epoch', 'from', 'message', 'room', 'sentAt', 'seq']);
    assert.deepEqual([said.message, said.room, said.from, said.context], ['hi', 'defaultRoom', id, 'user']);
    const wave = { event: 'wave', data: { hands: 2 } };
    const waved = await exchange({ event: 'event', params: { room: 'lobby', ...wave } });
    assert.deepEqual(waved, verb({ status: 'OK' }));
    assert.deepEqual((await inbox.said()).message, wave);

    const view = await exchange({ event: 'roomView', room: 'lobby' });
    const { joinedAt } = view.data.members[id];
    const members = { [id]: { id, joinedAt } };
    assert.deepEqual(view, verb({ status: 'OK', data: { room: 'lobby', membersCount: 1, members } }));
    assert.equal((await exchange({ event: 'roomLeave', room: 'lobby' })).data, true);
    const foreign = await exchange({ event: 'roomView', room: 'lobby' });
    assert.equal(foreign.status, 'not member of room lobby');
    assert.equal((await exchange({ event: 'roomAdd', room: 'crazyRoom' })).error.code, '019');

    const sum = await exchange({ event: 'action', params: { action: 'formattedSum', a: 3, b: 4 } });
    assert.deepEqual(sum, { formatted: '3 + 4 = 7', context: 'response', messageCount: number });
    const unknown = await exchange({ event: 'action', params: { action: 'nope' } });
    assert.deepEqual(unknown.error, { code: '004', message: 'Unknown action (nope) or invalid apiVersion' });
    const incomplete = await exchange({ event: 'action', params: { action: 'cacheTest' } });
    assert.equal(incomplete.error.key, 'The key field is required.');

    const file = await exchange({ event: 'file', file: 'simple.html' });
    assert.deepEqual([file.error, file.mime, file.length], [null, 'text/html', Buffer.byteLength(file.content)]);
    const image = await exchange({ event: 'file', file: 'images/logo.png' });
    assert.deepEqual([image.mime, image.encoding], ['image/png', 'base64']);
    assert.equal(Buffer.from(image.content, 'base64').length, image.length);
    const missing = await exchange({ event: 'file', file: '../secret.txt' });
    assert.deepEqual(missing, {
      error: { code: '010', message: 'The requested file does not exist' }, content: null, mime: 'text/html', length: 33,
      context: 'response', messageCount: number,
    });

    const bogus = await exchange({ event: 'bogus' });
    assert.equal(bogus.error.code, '014');
    assert.equal(bogus.data, null);
    const last = await exchange({ event: 'detailsView' });
    assert.deepEqual([last.data.id, last.data.rooms, last.data.totalActions], [id, ['defaultRoom'], 3]);
  });

  it('gets answers with the numbers of its requests, whatever order they are ready in', async (t) => {
    const client = connect(t, server.url);
    client.write({ event: 'action', params: { action: 'sleep', sleepDuration: 300 } });
    client.write({ event: 'detailsView' });
    client.write({ event: 'action', params: { action: 'sleep', sleepDuration: 100 } });
    const answers = await client.inbox.takeMany(3, (packet) => packet.context === 'response');
    const inOrder = answers.map((answer) => [answer.messageCount, answer.sleepDuration]);
    assert.deepEqual(inOrder, [[2, undefined], [3, 100], [1, 300]]);
  });

  it('is told once more than five actions run at a time', async (t) => {
    const client = connect(t, server.url);
    for (let i = 0; i < 6; i++) client.write({ event: 'action', params: { action: 'sleep', sleepDuration: 100 + i } });
    const [first, ...others] = await client.inbox.takeMany(6, (packet) => packet.context === 'response');
    assert.deepEqual([first.messageCount, first.error.code], [6, '007']);
    assert.deepEqual(others.map((answer) => answer.sleepDuration).sort(), [100, 101, 102, 103, 104]);
  });

  it('writes binary data as Primus does: as JSON, or in a binary frame that holds JSON', async (t) => {
    const client = connect(t, server.url);
    await ask(client, { event: 'roomAdd', room: 'lobby' });
    const bytes = Buffer.from([0, 1, 254, 255]);
    // The JSON parser of Primus turns a buffer into an object, which is no packet but counts as one.
    client.write(bytes);
    const refused = await client.inbox.response(2);
    assert.deepEqual([refused.error.code, refused.status], ['014', 'Verb not found or not allowed (undefined)']);
    client.write({ event: 'say', room: 'lobby', message: bytes });
    assert.deepEqual((await client.inbox.said()).message, { type: 'Buffer', data: [0, 1, 254, 255] });
    client.socket.send(Buffer.from(JSON.stringify({ event: 'detailsView' })), { binary: true });
    assert.equal((await client.inbox.response(4)).status, 'OK');
  });

  it('hears in a room what was said there, whatever it is', async (t) => {
    const speaker = connect(t, server.url);
    const listener = connect(t, server.url);
    await ask(speaker, { event: 'roomAdd', room: 'random' });
    await ask(listener, { event: 'roomAdd', room: 'random' });
    const messages = [
      'plain', ' ', 0, -1.5e300, false, true, {}, [null], { a: [1, { b: null }] },
      'Grüße, κόσμε, 世界, שלום', '😀 👩‍👩‍👧‍👦 🏳️‍🌈', 'line\u2028paragraph\u2029end', '\u0000\u001f"\\/</script>',
      'primus::server::close', { event: 'primus::ping::1' }, { __proto__: null, constructor: 1 },
      '😀'.repeat(25000), // 100,000 bytes
    ];
    for (const message of messages) speaker.write({ event: 'say', room: 'random', message });
    for (const client of [speaker, listener]) {
      for (const message of messages) {
        const said = await client.inbox.said();
        assert.deepEqual(said.message, structuredClone(message));
      }
    }
    assert.equal((await ask(listener, { event: 'detailsView' })).messageCount, 2, 'nobody was closed');
  });

  it('is spared line separators inside of strings, which older parsers take for ends of lines', async (t) => {
    const client = connect(t, server.url);
    const raw = await peer.open(t, `${server.wsUrl}/ws`);
    await ask(client, { event: 'roomAdd', room: 'lobby' });
    await peer.ask(raw, { event: 'roomAdd', room: 'lobby' });
    const texts = [];
    client.on('incoming::data', (text) => texts.push(text));
    // JSON.stringify leaves them as they are, and so does `ws`.
    peer.tell(raw, { event: 'say', room: 'lobby', message: 'a\u2028b\u2029c' });
    assert.equal((await client.inbox.said()).message, 'a\u2028b\u2029c');
    assert.ok(texts[0].includes('a\\u2028b\\u2029c'), texts[0]);
  });
});
