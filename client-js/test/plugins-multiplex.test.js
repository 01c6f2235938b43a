'use strict';

// Channels between our client part and the server part of npm's primus-multiplex.

const { afterEach } = require('node:test');
const assert = require('node:assert/strict');
const npmEmitter = require('primus-emitter');
const npmMultiplex = require('primus-multiplex');
const { World, once, ours, record, test, wire } = require('./support/plugins');

let world;
afterEach(() => world?.stop());

const start = () => World.start({ multiplex: ours('multiplex', npmMultiplex) });

// A channel of the server that answers each value with `{echo: value}`.
function echo(primus, name) {
  const channel = primus.channel(name);
  channel.on('connection', (spark) => spark.on('data', (value) => spark.write({ echo: value })));
  return channel;
}

// The next values of a channel, as many as asked for.
function take(channel, count) {
  const values = [];
  return new Promise((resolve) => channel.on('data', (value) => {
    if (values.push(structuredClone(value)) === count) resolve(values);
  }));
}

test('channels carry data both ways and keep apart', async () => {
  world = await start();
  echo(world.primus, 'news');
  echo(world.primus, 'sport');
  const { client } = await world.pair();
  const channels = [client.channel('news'), client.channel('sport'), client.channel('news')];
  const received = channels.map((channel) => take(channel, 2));
  channels.forEach((channel, index) => { channel.write(`a${index}`); channel.write(`b${index}`); });
  assert.deepEqual(await Promise.all(received), [0, 1, 2].map((n) => [{ echo: `a${n}` }, { echo: `b${n}` }]));
  assert.notEqual(channels[0].id, channels[2].id);
  assert.deepEqual([channels[1].channel, channels[1].conn === client, client.channel() === client], ['sport', true, true]);
});

test('the wire is that of the npm client', async () => {
  const scenario = async (one) => {
    const news = echo(one.primus, 'news');
    const client = one.client();
    const early = client.channel('news');
    early.write('early');
    await once(client, 'open');
    await one.settled(client);
    early.write({ deep: [1, 'é'] });
    await one.settled(client);
    news.write('to all');
    early.end('last words');
    await one.settled(client);
    const other = client.channel('news');
    await one.settled(client);
    news.forEach((spark) => spark.end('bye'));
    await once(other, 'end');
  };
  const expected = await wire({ multiplex: npmMultiplex }, scenario);
  const actual = await wire({ multiplex: ours('multiplex', npmMultiplex) }, scenario);
  assert.deepEqual(actual, expected);
  assert.deepEqual(actual.sent, [
    '[1,"#1","news"]', '[0,"#1","news","early"]', '[0,"#1","news",{"deep":[1,"é"]}]',
    '[0,"#1","news","last words"]', '[2,"#1","news"]', '[1,"#2","news"]',
  ]);
});

test('falsy values arrive, undefined is an absent payload', async () => {
  world = await start();
  const values = [];
  world.primus.channel('x').on('connection', (spark) => spark.on('data', (value) => values.push(value)));
  const { client } = await world.pair();
  const channel = client.channel('x');
  for (const value of [0, '', false, null, undefined]) channel.write(value);
  await world.settled(client);
  assert.deepEqual(values, [0, '', false, null, undefined]);
});

test('packets of channels are not data of the connection, other arrays are', async () => {
  world = await start();
  echo(world.primus, 'news');
  const { client, spark } = await world.pair();
  const data = record(client, 'data');
  const channel = client.channel('news');
  const received = take(channel, 1);
  channel.write('x');
  await received;
  const id = channel.id;
  channel.end();
  const values = [null, [], [0, 'id', 'unknown', 1], [0, 'id', 'toString', 1], [3, id, 'news'], [0, id, 'news', 1, 2], [0, 1, 'news', 1]];
  for (const value of [[0, id, 'news', 'late'], [2, 'foreign', 'news'], ...values]) spark.write(value);
  await world.settled(client);
  assert.deepEqual(data.map(([value]) => value).slice(0, -1), values);
});

test('either side ends a channel: close, then end, then nothing', async () => {
  world = await start();
  const news = echo(world.primus, 'news');
  const { client } = await world.pair();
  for (const end of [(channel) => channel.end(), () => news.forEach((spark) => spark.end())]) {
    const channel = client.channel('news');
    await world.settled(client);
    const events = [];
    for (const event of ['data', 'close', 'end']) channel.on(event, () => events.push(event));
    const ended = once(channel, 'end');
    end(channel);
    await ended;
    assert.equal(channel.write('lost'), false);
    assert.equal(channel.end(), channel);
    await world.settled(client);
    assert.deepEqual(events, ['close', 'end']);
    assert.deepEqual([channel.writable, channel.readable], [false, false]);
  }
});

test('after a loss a channel joins again, and what was written meanwhile arrives', async () => {
  world = await start();
  echo(world.primus, 'news');
  const { client, spark } = await world.pair({ queueSize: 3 });
  const channel = client.channel('news');
  await world.settled(client);
  const before = channel.id;
  const events = ['close', 'reconnect', 'reconnected', 'open', 'end'].map((event) => record(channel, event));
  const received = take(channel, 3);
  client.once('close', () => {
    // The queue holds three: the subscription falls out of it.
    for (const value of ['dropped', 1, 2, 3]) channel.write(value);
  });
  spark.end(undefined, { reconnect: true });
  assert.deepEqual(await received, [{ echo: 1 }, { echo: 2 }, { echo: 3 }]);
  assert.notEqual(channel.id, before);
  assert.equal(channel.readyState, client.constructor.OPEN);
  assert.deepEqual(events.map((seen) => seen.length), [1, 1, 1, 1, 0]);
});

test('a channel that was ended while offline does not come back', async () => {
  world = await start();
  const news = world.primus.channel('news');
  const { client, spark } = await world.pair();
  const channel = client.channel('news');
  await world.settled(client);
  client.once('close', () => channel.end());
  spark.end(undefined, { reconnect: true });
  await once(client, 'open');
  await world.settled(client);
  assert.deepEqual(Object.keys(news.connections), []);
});

test('many channels share the listeners of one', async () => {
  world = await start();
  echo(world.primus, 'x');
  const { client } = await world.pair();
  const count = () => client.listeners('close').length + client.listeners('readyStateChange').length;
  client.channel('x');
  const listeners = count();
  const channels = Array.from({ length: 50 }, () => client.channel('x'));
  assert.equal(count(), listeners);
  const answers = Promise.all(channels.map((channel) => take(channel, 1)));
  channels.forEach((channel, index) => channel.write(index));
  assert.deepEqual(await answers, channels.map((_, index) => [{ echo: index }]));
});

test('an error of the connection that a channel does not listen to is not thrown', async () => {
  world = await start();
  const { client } = await world.pair();
  const errors = record(client.channel('listening'), 'error');
  client.channel('deaf');
  client.on('error', () => {});
  client.emit('error', 'wrong');
  assert.deepEqual(errors, [['wrong']]);
});

test('with the emit plugin channels have events and acks of their own', async () => {
  const plugins = { emit: ours('emit', npmEmitter), multiplex: ours('multiplex', npmMultiplex) };
  world = await World.start(plugins);
  const sent = [];
  world.primus.channel('news').on('connection', (spark) => {
    spark.on('double', (n, ack) => ack(2 * n));
    spark.on('drop', () => spark.conn.end(undefined, { reconnect: true }));
    spark.send('hello', 'you', (value) => sent.push(value));
  });
  const { client } = await world.pair();
  const channel = client.channel('news');
  const data = record(channel, 'data');
  channel.on('hello', (name, ack) => ack(`hello ${name}`));
  assert.equal(await new Promise((done) => channel.send('double', 21, done)), 42);
  await world.settled(client);
  assert.deepEqual(sent, ['hello you']);
  assert.deepEqual(data, []);
  const lost = await new Promise((done) => channel.send('drop', done));
  assert.equal(lost.code, 'ECONNRESET');
  assert.equal(await new Promise((done) => channel.send('double', 4, done)), 8);
  const waiting = new Promise((done) => channel.send('unheard', done));
  channel.end();
  assert.equal((await waiting).code, 'ECONNRESET');
});
