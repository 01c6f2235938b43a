'use strict';

// The served client script in Node: what happens to an action on its way, over HTTP and over the socket. Numbers are
// those of the Stellar checks.

const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');
const { Server } = require('./support/server');
const { between } = require('./support/proxy');
const { make } = require('./support/stellar');
const { limited } = require('./support/wait');

function answered(client, ...args) {
  return limited(new Promise((resolve) => client.action(...args, resolve)), 'the callback');
}

describe('the client script that runs actions', () => {
  const server = new Server();
  before(() => server.start());
  after(() => server.kill());

  for (const way of ['over HTTP', 'over the socket']) {
    describe(way, () => {
      // A client, and how many of its actions went out so far.
      const prepare = async (t) => {
        const proxy = await between(t, server);
        const client = await make(t, server, { url: proxy.url });
        if (way === 'over the socket') await client.connect();
        const written = client.messageCount;
        return { client, sent: () => proxy.requests.length + client.messageCount - written };
      };

      it('105: an interceptor adds params', async (t) => {
        const { client, sent } = await prepare(t);
        client.interceptors.push((params, next) => {
          assert.equal(params.action, 'formattedSum');
          params.b = 40;
          next();
        });
        const params = { a: 2 };
        assert.equal((await client.action('formattedSum', params)).formatted, '2 + 40 = 42');
        assert.equal((await answered(client, 'formattedSum', params)).formatted, '2 + 40 = 42');
        assert.deepEqual(params, { a: 2 }, 'those of the caller are left alone');
        assert.equal(sent(), 2);
      });

      it('105: an interceptor answers by itself', async (t) => {
        const { client, sent } = await prepare(t);
        client.interceptors.push((params, next) => next({ number: 7 }));
        assert.deepEqual(await client.action('randomNumber'), { number: 7 });
        assert.deepEqual(await answered(client, 'randomNumber'), { number: 7 });
        assert.equal(sent(), 0);
      });

      it('105: an interceptor rejects', async (t) => {
        const { client, sent } = await prepare(t);
        const refusal = { error: 'not today' };
        client.interceptors.push((params, next, reject) => {
          if (params.how === 'next') next(null, refusal);
          else reject(refusal);
        });
        for (const how of ['next', 'reject']) {
          await assert.rejects(client.action('randomNumber', { how }), (error) => error === refusal);
          assert.equal(await answered(client, 'randomNumber', { how }), refusal);
        }
        assert.equal(sent(), 0);
      });

      it('105: an interceptor edits the response, or the error', async (t) => {
        const { client, sent } = await prepare(t);
        for (const mark of [1, 2]) {
          const hook = (response) => { response.seen = (response.seen || []).concat(mark); };
          client.interceptors.push((params, next) => next(hook));
        }
        const response = await client.action('isolated.action');
        assert.deepEqual([response.success, response.seen], ['ok', [1, 2]], 'the hook left last runs first');
        await assert.rejects(client.action('nope'), (error) => error.error.code === '004' && error.seen.length === 2);
        assert.equal(sent(), 2);
      });

      it('105: interceptors run from the last pushed to the first, and may take their time', async (t) => {
        const { client } = await prepare(t);
        const order = [];
        client.interceptors.push((params, next) => {
          order.push('first');
          next();
        });
        client.interceptors.push((params, next) => {
          order.push('last');
          setTimeout(next, 10);
        });
        await client.action('isolated.action');
        assert.deepEqual(order, ['last', 'first']);
      });

      it('025: six actions at once give no error', async (t) => {
        const { client, sent } = await prepare(t);
        const durations = [100, 101, 102, 103, 104, 105];
        const promises = durations.map((sleepDuration) => client.action('sleep', { sleepDuration }));
        const callbacks = durations.map((sleepDuration) => answered(client, 'sleep', { sleepDuration }));
        const responses = await Promise.all([...promises, ...callbacks]);
        assert.deepEqual(responses.map(({ error }) => error), Array(12).fill(undefined));
        assert.deepEqual(responses.map(({ sleepDuration }) => sleepDuration), [...durations, ...durations]);
        assert.equal(sent(), 12);
      });
    });
  }

  it('105: verbs are not intercepted', async (t) => {
    const client = await make(t, server);
    client.interceptors.push((params, next, reject) => reject(new Error('intercepted')));
    await client.connect();
    await client.roomAdd('lobby');
    await client.say('lobby', 'hello');
    assert.equal((await client.roomView('lobby')).membersCount, 1);
    await assert.rejects(client.action('randomNumber'), /intercepted/);
  });
});
