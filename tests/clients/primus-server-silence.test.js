'use strict';

// npm `primus` 8 against a server on the Rust API that takes connections and says nothing: attempts that take too long.
// Orders of events are those of Primus 8.0.9.

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');
const { example } = require('./support/primus-api');
const { assertOutage, attempts, listen } = require('./support/primus-outage');
const { ATTEMPT, CLOSING, WAYS, client } = require('./support/primus-ways');
const { freeze, raised, until } = require('./support/wait');

// The state of the client stays as the attempt has left it that was not answered.
const NEXT = ATTEMPT.filter((event) => event !== 'readyStateChange opening');

// A client that has noticed, which takes it its `pingTimeout`.
async function silent(t, way, reconnect) {
  const server = await example(t, '--ping-interval', '200');
  const ann = await client(t, server.url, way, { pingTimeout: 1000, reconnect }).settled();
  const events = listen(ann);
  // The next ping is there, so that the clock has been set by one.
  await raised(ann, 'incoming::ping');
  await freeze(server.child);
  await raised(ann, 'offline');
  return { server, ann, events };
}

for (const way of Object.keys(WAYS)) {
  describe(`the silence of a server over ${way}`, () => {
    it('has attempts that take too long', async (t) => {
      const reconnect = { min: 10, max: 40, retries: 1000, 'reconnect timeout': 200 };
      const { server, ann, events } = await silent(t, way, reconnect);
      const online = raised(ann, 'online');
      await until(() => events.filter(({ name }) => name === 'reconnect timeout').length === 2, 'two that take too long');
      await until(() => attempts(ann) === 3, 'the third');
      server.child.kill('SIGCONT');
      await online;
      await until(() => ann.story.lastIndexOf('open') > ann.story.indexOf('offline'), 'open');
      const story = ann.story.slice(ann.story.indexOf('offline'));
      const late = story.filter((event) => event === 'reconnect timeout').length;
      assert.ok(late >= 2);
      assert.deepEqual(story.slice(0, story.indexOf('open') + 1), [
        'offline', ...CLOSING, 'reconnect scheduled', ...ATTEMPT,
        ...Array(late).fill(['reconnect timeout', 'reconnect scheduled', ...NEXT]).flat(),
        'incoming::open', 'reconnected', 'online', 'readyStateChange open', 'open',
      ]);
      assertOutage(events, reconnect);
      const errors = new Set(events.filter(({ name }) => name === 'reconnect timeout').map(({ error }) => error));
      assert.deepEqual([...errors], ['Failed to reconnect in a timely manner']);
      await ann.settled();
    });

    it('that lasts ends with the last of them', async (t) => {
      const reconnect = { min: 10, max: 40, retries: 2, 'reconnect timeout': 100 };
      const { ann, events } = await silent(t, way, reconnect);
      await raised(ann, 'reconnect failed');
      assert.deepEqual(ann.story.slice(ann.story.indexOf('offline')), [
        'offline', ...CLOSING, 'reconnect scheduled', ...ATTEMPT, 'reconnect timeout', 'reconnect scheduled', ...NEXT,
        'reconnect timeout', 'end', 'reconnect failed',
      ]);
      assertOutage(events, reconnect);
      assert.deepEqual(events.slice(-2).map(({ name, error }) => [name, error]), [
        ['reconnect timeout', 'Failed to reconnect in a timely manner'], ['reconnect failed', 'Unable to recover'],
      ]);
    });
  });
}
