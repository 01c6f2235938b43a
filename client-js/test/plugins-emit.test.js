'use strict';

// Events and acknowledgements between our client part and the server parts of npm's primus-emitter and primus-emit.

const { afterEach } = require('node:test');
const assert = require('node:assert/strict');
const npmEmit = require('primus-emit');
const npmEmitter = require('primus-emitter');
const npmResponder = require('primus-responder');
const { World, once, ours, record, test, wire } = require('./support/plugins');

let world;
afterEach(() => world?.stop());

const emitter = () => World.start({ emit: ours('emit', npmEmitter) });
const emit = () => World.start({ emit: ours('emit', npmEmit) });

test('events and acks go both ways', async () => {
  world = await emitter();
  world.primus.on('connection', (spark) => {
    spark.on('sum', (a, b, ack) => ack(null, a + b));
    spark.on('ask me', (ack) => spark.send('question', { n: 1 }, (...values) => ack(...values)));
  });
  const { client } = await world.pair();
  client.on('question', (value, ack) => ack(value.n + 1, 'thanks'));
  assert.deepEqual(await new Promise((done) => client.send('sum', 1, 2, (...values) => done(values))), [null, 3]);
  assert.deepEqual(await new Promise((done) => client.send('ask me', (...values) => done(values))), [2, 'thanks']);
});

test('the wire is that of the npm client', async () => {
  const scenario = async (one) => {
    one.primus.on('connection', (spark) => {
      spark.on('save', (value, ack) => { ack('ok', 2); ack('twice'); });
      spark.send('hello', 1, { a: null }, () => {});
    });
    const hello = [];
    const client = one.client();
    client.on('hello', (n, value, ack) => { hello.push(n); ack({ re: n }); ack('twice'); });
    client.send('early');
    await once(client, 'open');
    assert.equal(client.send('save', { x: 'é\u2028' }, () => {}), client);
    client.send('plain', undefined, 0, false);
    client.send('newListener', 1);
    await one.settled(client);
    assert.deepEqual(hello, [1]);
  };
  const expected = await wire({ emitter: npmEmitter }, scenario);
  const actual = await wire({ emit: ours('emit', npmEmitter) }, scenario);
  assert.deepEqual(actual, expected);
  assert.ok(actual.sent.includes('{"type":0,"data":["save",{"x":"é\\u2028"}],"id":1}'), String(actual.sent));
  assert.ok(actual.sent.includes('{"id":1,"type":1,"data":[{"re":1}]}'));
  assert.ok(actual.sent.includes('{"type":0,"data":["early"]}'));
});

test('events of primus-emit go both ways, and reserved ones stay here', async () => {
  world = await emit();
  const custom = [];
  world.primus.on('connection', (spark) => spark.on('custom', (...args) => {
    custom.push(args);
    spark.emit('back', ...args);
  }));
  const { client } = await world.pair();
  const back = record(client, 'back');
  const local = record(client, 'online');
  assert.equal(client.emit('custom', { foo: 'foo' }, 1, 'bar', null), true);
  client.emit('online', 'here');
  await world.settled(client);
  assert.deepEqual(custom, [[{ foo: 'foo' }, 1, 'bar', null]]);
  assert.deepEqual(back, custom);
  assert.deepEqual(local, [['here']]);
  assert.deepEqual(world.texts('sent'), ['{"emit":["custom",{"foo":"foo"},1,"bar",null]}']);
});

test('packets are not data, and look-alikes are', async () => {
  world = await emitter();
  const { client, spark } = await world.pair();
  const data = record(client, 'data');
  const event = record(client, 'event');
  for (const value of [{ type: 0, data: ['event', 1] }, { emit: ['event', 2] }, { type: 1, data: [], id: 99 }]) spark.write(value);
  const lookAlikes = [
    null, 0, '', 'text', [], [0, 'a', 'b'], {}, { emit: 'event' }, { type: 0, data: 'event' }, { type: 0, data: [1] },
    { type: 0, data: ['event'], id: '1' }, { type: 0, data: ['event'], more: 1 }, { type: 1, data: [] }, { type: 2, data: ['event'] },
  ];
  for (const value of lookAlikes) spark.write(value);
  await world.settled(client);
  assert.deepEqual(event.map(([n]) => n), [1, 2]);
  assert.deepEqual(data.map(([value]) => value).slice(0, -1), lookAlikes);
});

test('a server cannot raise reserved events', async () => {
  world = await emitter();
  const { client, spark } = await world.pair();
  const names = ['end', 'open', 'incoming::end'];
  const raised = names.map((name) => record(client, name));
  for (const name of names) {
    spark.write({ type: 0, data: [name] });
    spark.write({ emit: [name] });
  }
  await world.settled(client);
  assert.deepEqual(raised, [[], [], []]);
  assert.equal(client.readyState, client.constructor.OPEN);
});

test('an ack that the loss of the connection has swallowed fails; one in the queue does not', async () => {
  world = await emitter();
  world.primus.on('connection', (spark) => {
    spark.on('drop', () => spark.end(undefined, { reconnect: true }));
    spark.on('echo', (value, ack) => ack(value));
  });
  const { client } = await world.pair();
  const queued = new Promise((done) => {
    client.once('close', () => client.send('echo', 'after', done));
  });
  const lost = await new Promise((done) => client.send('drop', done));
  assert.match(String(lost), /^Error: The connection ended/);
  assert.equal(lost.code, 'ECONNRESET');
  assert.equal(await queued, 'after');
});

test('an event from before the first connection waits for it, through failed attempts', async () => {
  world = new World({ emit: ours('emit', npmEmitter) });
  world.primus.on('connection', (spark) => spark.on('echo', (value, ack) => ack(value)));
  const client = await world.early();
  const answer = new Promise((done) => client.send('echo', 'early', done));
  assert.equal(await answer, 'early');
});

test('an event that left the queue fails with the connection that it left by', async () => {
  world = await emitter();
  const client = world.client();
  const answer = new Promise((done) => client.send('unheard', done));
  const [spark] = await once(world.primus, 'connection');
  await once(spark, 'data');
  spark.end(undefined, { reconnect: true });
  assert.equal((await answer).code, 'ECONNRESET');
});

test('at the end every waiting ack fails, also after one that throws', async () => {
  world = await emitter();
  const { client } = await world.pair();
  const failed = [];
  client.send('unheard', () => { throw new Error('first'); });
  client.send('unheard', (error) => failed.push(error.code));
  client.send('unheard', (error) => failed.push(error.code));
  assert.throws(() => client.end(), /first/);
  assert.deepEqual(failed, ['ECONNRESET', 'ECONNRESET']);
  client.send('queued', (error) => failed.push(`queued ${error.code}`));
  client.open();
  client.end();
  assert.deepEqual(failed.slice(2), ['queued ECONNRESET']);
});

test('an answer does not travel on a later connection', async () => {
  world = await emitter();
  const { client, spark } = await world.pair();
  const asked = new Promise((done) => client.once('question', done));
  spark.send('question', () => {});
  const ack = await asked;
  spark.end(undefined, { reconnect: true });
  await once(client, 'reconnected');
  ack('late');
  await world.settled(client);
  assert.deepEqual(world.texts('sent'), []);
});

test('events and requests work together', async () => {
  const both = { emit: ours('emit', npmEmitter), responder: ours('responder', npmResponder) };
  for (const order of [['emit', 'responder'], ['responder', 'emit']]) {
    world = await World.start(Object.fromEntries(order.map((name) => [name, both[name]])));
    world.primus.on('connection', (spark) => spark.on('double', (n, ack) => ack(2 * n)));
    const { client, spark } = await world.pair();
    client.on('request', (data, done) => client.send('double', data, done));
    assert.equal(await new Promise((done) => spark.writeAndWait(21, done)), 42, String(order));
    await world.stop();
  }
  world = undefined;
});
