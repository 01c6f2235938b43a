'use strict';

// Requests and responses between our client part and the server part of npm's primus-responder.

const { afterEach } = require('node:test');
const assert = require('node:assert/strict');
const npmResponder = require('primus-responder');
const { World, once, ours, record, test, wire } = require('./support/plugins');

let world;
afterEach(() => world?.stop());

const start = () => World.start({ responder: ours('responder', npmResponder) });
const ask = (peer, data) => new Promise((done) => peer.writeAndWait(data, done));

test('requests are answered in both directions', async () => {
  world = await start();
  world.primus.on('connection', (spark) => spark.on('request', (data, done) => done(`server: ${data}`)));
  const { client, spark } = await world.pair();
  client.on('request', (data, done) => done(`client: ${data}`));
  const answers = await Promise.all([ask(client, 'a'), ask(client, 'b'), ask(spark, 'c')]);
  assert.deepEqual(answers, ['server: a', 'server: b', 'client: c']);
});

test('the wire is that of the npm client', async () => {
  const scenario = async (one) => {
    one.primus.on('connection', (spark) => {
      spark.on('request', (data, done) => done({ re: data }));
      spark.writeAndWait({ q: 0 }, () => {});
    });
    const client = one.client();
    client.on('request', (data, done) => done(data));
    client.writeAndWait('early', () => {});
    await once(client, 'open');
    for (const value of [null, 0, false, '', { deep: [1, 'é'] }, undefined]) client.writeAndWait(value, () => {});
    await one.settled(client);
  };
  const expected = await wire({ responder: npmResponder }, scenario);
  const actual = await wire({ responder: ours('responder', npmResponder) }, scenario);
  assert.deepEqual(actual, expected);
  const texts = actual.sent.map((text) => text.replace(/"#\d+"/, '"#"'));
  assert.ok(texts.includes('{"plugin":"primus-responder","requestId":"#","data":"early"}'), String(texts));
  assert.ok(texts.includes('{"plugin":"primus-responder","requestId":"#"}'));
  assert.ok(texts.includes('{"plugin":"primus-responder","responseId":"#","data":{"q":0}}'));
});

test('envelopes are not data, and what resembles them is', async () => {
  world = await start();
  const { client, spark } = await world.pair();
  const data = record(client, 'data');
  const envelopes = [{}, { responseId: 'unknown', data: 1 }, { responseId: 'constructor' }, { requestId: 7, data: 1 }];
  for (const envelope of envelopes) spark.write({ plugin: 'primus-responder', ...envelope });
  const values = [null, 0, '', 'text', [], {}, { plugin: 'another', requestId: 'x' }];
  for (const value of values) spark.write(value);
  await world.settled(client);
  assert.deepEqual(data.map(([value]) => value).slice(0, -1), values);
});

test('a request is answered once', async () => {
  world = await start();
  const { client, spark } = await world.pair();
  client.on('request', (data, done) => { done('first'); done('second'); });
  assert.equal(await ask(spark, 'x'), 'first');
  await world.settled(client);
  assert.equal(world.texts('sent').length, 1);
});

test('a call that the loss of the connection has swallowed fails; one in the queue does not', async () => {
  world = await start();
  world.primus.on('connection', (spark) => spark.on('request', (data, done) => {
    if (data === 'drop') spark.end(undefined, { reconnect: true });
    else done(data);
  }));
  const { client } = await world.pair();
  const queued = new Promise((done) => client.once('close', () => client.writeAndWait('after', done)));
  const lost = await ask(client, 'drop');
  assert.match(String(lost), /^Error: The connection ended/);
  assert.equal(lost.code, 'ECONNRESET');
  assert.equal(await queued, 'after');
});

test('a call from before the first connection waits for it, through failed attempts', async () => {
  world = new World({ responder: ours('responder', npmResponder) });
  world.primus.on('connection', (spark) => spark.on('request', (data, done) => done(data)));
  const client = await world.early();
  const answer = new Promise((done) => client.writeAndWait('early', done));
  assert.equal(await answer, 'early');
});

test('a call that left the queue fails with the connection that it left by', async () => {
  world = await start();
  const client = world.client();
  const answer = new Promise((done) => client.writeAndWait('unheard', done));
  const [spark] = await once(world.primus, 'connection');
  await once(spark, 'request');
  spark.end(undefined, { reconnect: true });
  assert.equal((await answer).code, 'ECONNRESET');
});

test('at the end every waiting call fails, also after one that throws', async () => {
  world = await start();
  const { client } = await world.pair();
  const failed = [];
  client.writeAndWait(1, () => { throw new Error('first'); });
  client.writeAndWait(2, (error) => failed.push(error.code));
  client.writeAndWait(3, (error) => failed.push(error.code));
  assert.throws(() => client.end(), /first/);
  assert.deepEqual(failed, ['ECONNRESET', 'ECONNRESET']);
  client.writeAndWait('queued', (error) => failed.push(`queued ${error.code}`));
  client.open();
  client.end();
  assert.deepEqual(failed.slice(2), ['queued ECONNRESET']);
});

test('a response does not travel on a later connection', async () => {
  world = await start();
  const { client, spark } = await world.pair();
  const asked = new Promise((resolve) => client.once('request', (data, done) => resolve(done)));
  spark.writeAndWait('x', () => {});
  const done = await asked;
  spark.end(undefined, { reconnect: true });
  await once(client, 'reconnected');
  done('late');
  await world.settled(client);
  assert.deepEqual(world.texts('sent'), []);
});

test('two clients of one page do not mix up their calls', async () => {
  world = await start();
  world.primus.on('connection', (spark) => spark.on('request', (data, done) => done(`${data} of ${spark.query.name}`)));
  const url = world.url;
  const clients = ['one', 'two'].map((name) => {
    world.url = `${url}?name=${name}`;
    return world.client();
  });
  world.url = url;
  assert.deepEqual(await Promise.all(clients.map((client) => ask(client, 'call'))), ['call of one', 'call of two']);
});
