'use strict';

// npm `primus` 8 against a server on the Rust API: what is told of an outage, what is kept over it, and who is back.
// Orders of events are those of Primus 8.0.9.

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');
const { example, npmClient } = require('./support/primus-api');
const { told } = require('./support/primus');
const { assertOutage, attempts, listen } = require('./support/primus-outage');
const {
  ATTEMPT, FAILURE, LAST_FAILURE, RETURN, WAYS, client, lossOver, untilConnected, who,
} = require('./support/primus-ways');
const { limited, raised, until } = require('./support/wait');

const ARGS = ['--ping-interval', '0'];

for (const way of Object.keys(WAYS)) {
  describe(`an outage over ${way}`, () => {
    it('is told with one object, another with the next', async (t) => {
      const server = await example(t, ...ARGS);
      const reconnect = { min: 10, max: 70, retries: 1000, 'reconnect timeout': '20 seconds' };
      const ann = await client(t, server.url, way, { reconnect }).settled();
      const events = listen(ann);
      await server.stop('SIGKILL');
      await until(() => attempts(ann) >= 5, 'five attempts');
      await server.start();
      await ann.settled();
      const first = events.splice(0);
      assertOutage(first, reconnect);
      const failed = first.filter(({ name }) => name === 'reconnect').length - 1;
      assert.deepEqual(first.map(({ name }) => name), [
        ...Array(failed + 1).fill(['reconnect scheduled', 'reconnect']).flat(), 'reconnected',
      ]);
      const { then: { min, max, retries, factor, 'reconnect timeout': timeout } } = first[0];
      assert.deepEqual({ min, max, retries, factor, timeout }, { min: 10, max: 70, retries: 1000, factor: 2, timeout: 20000 });

      const reconnected = raised(ann, 'reconnected');
      ann.write({ do: 'reconnect' });
      await reconnected;
      await ann.settled();
      assert.deepEqual(events.map(({ name }) => name), ['reconnect scheduled', 'reconnect', 'reconnected']);
      assertOutage(events, reconnect);
      assert.notEqual(events[0].options, first[0].options);
      assert.ok(events[0].then.start > first[0].then.start);
    });

    it('ends with the last attempt, and may be ended by hand later', async (t) => {
      const server = await example(t, ...ARGS);
      const reconnect = { min: 10, max: 40, retries: 3 };
      const ann = await client(t, server.url, way, { reconnect }).settled();
      const events = listen(ann);
      told(ann);
      await server.stop('SIGKILL');
      const expected = [
        ...lossOver(way), 'reconnect scheduled',
        ...ATTEMPT, ...FAILURE, ...ATTEMPT, ...FAILURE, ...ATTEMPT, ...LAST_FAILURE,
      ];
      await until(() => ann.story.length >= expected.length, 'all attempts');
      assert.deepEqual(told(ann), expected);
      assertOutage(events, reconnect);
      const last = events.at(-1);
      assert.deepEqual([last.name, last.error, last.then.attempt], ['reconnect failed', 'Unable to recover', 3]);
      assert.equal(ann.recovery.reconnecting(), false);
      assert.equal(ann.readyState, npmClient(WAYS[way].transformer).CLOSED);

      await server.start();
      ann.write('kept');
      assert.deepEqual(ann.story, [], 'nothing happens by itself any more');
      ann.open();
      assert.equal(await ann.inbox.next(), 'kept');
      await ann.settled();
      events.length = 0;
      ann.write({ do: 'reconnect' });
      await until(() => events.length === 3, 'another return');
      assert.deepEqual(events.map(({ name, then }) => [name, then.attempt]), [
        ['reconnect scheduled', 1], ['reconnect', 1], ['reconnected', 1],
      ]);
    });

    it('loses nothing that is written in it, and changes no order', async (t) => {
      const server = await example(t, ...ARGS);
      const ann = await client(t, server.url, way).settled();
      const sent = [];
      const write = (count) => {
        for (let n = 0; n < count; n++) {
          const value = sent.length % 3 ? `é\u2028 ${sent.length}` : { n: sent.length };
          sent.push(value);
          assert.equal(ann.write(value), true);
        }
      };
      const scheduled = raised(ann, 'reconnect scheduled');
      await server.stop('SIGKILL');
      await scheduled;
      write(200);
      for (const number of [1, 2, 3]) {
        await until(() => attempts(ann) >= number, `attempt ${number}`);
        write(100);
      }
      assert.equal(ann.buffer.length, 500);
      // Neither is it open yet in the one listener, nor is anything left to wait for in the other.
      ann.once('reconnected', () => write(1));
      ann.once('open', () => {
        assert.equal(ann.buffer.length, 0);
        write(1);
      });
      told(ann);
      await server.start();
      assert.deepEqual(await ann.inbox.takeMany(502), sent);
      const story = told(ann);
      const opened = story.indexOf('incoming::open');
      assert.deepEqual(story.slice(opened, opened + 505), [...RETURN, ...Array(501).fill('outgoing::data'), 'open']);
      await ann.settled();
      assert.deepEqual(ann.inbox.unread, [], 'nothing comes twice');
      await untilConnected(ann, 1);
    });

    it('has a queue that is kept after an end for good, too', async (t) => {
      const server = await example(t, ...ARGS);
      const ann = await client(t, server.url, way, { queueSize: 3 }).settled();
      const ended = raised(ann, 'end');
      ann.write({ do: 'end' });
      await ended;
      for (const value of [1, 2, 3, 4, 5]) ann.write(value);
      assert.deepEqual([...ann.buffer], [3, 4, 5]);
      told(ann);
      ann.open();
      assert.deepEqual(await ann.inbox.takeMany(3), [3, 4, 5]);
      assert.ok(!told(ann).includes('reconnected'));
    });

    it('gives a client another id', async (t) => {
      const server = await example(t, ...ARGS, '--number-ids');
      const ann = client(t, server.url, way);
      const id = () => limited(new Promise((resolve) => ann.id(resolve)), 'the id');
      const isEngineIo = way !== 'websockets';
      // Who is not connected has to ask the server, whatever the transformer.
      assert.deepEqual(await Promise.all([id(), id()]), ['spark-1', 'spark-1']);
      await ann.settled();
      const ids = [];
      for (const expected of ['spark-1', 'spark-2', 'spark-3']) {
        assert.equal((await who(ann)).id, expected);
        const answer = await id();
        // The client of engine.io does not ask: it gives its session's id, which is a secret and no spark's.
        if (isEngineIo) assert.match(answer, /^[\w-]{20,}$/);
        else assert.equal(answer, expected);
        ids.push(answer);
        const scheduled = raised(ann, 'reconnect scheduled');
        const back = raised(ann, 'open');
        ann.write({ do: 'reconnect' });
        await scheduled;
        const asked = id();
        await back;
        assert.equal(await asked, `spark-${ids.length + 1}`);
        await ann.settled();
      }
      assert.equal(new Set(ids).size, 3);
    });
  });
}
