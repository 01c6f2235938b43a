'use strict';

// What an npm client tells of an outage: its events about coming back, and the object that they share.

const assert = require('node:assert/strict');

const TOLD = ['reconnect scheduled', 'reconnect', 'reconnect timeout', 'reconnected', 'reconnect failed'];
const KEYS = [
  'reconnect timeout', 'retries', 'factor', 'max', 'min', 'start', 'duration', 'attempt', 'backoff', 'scheduled',
];

// Every event about coming back: its options object, and what was in it then.
function listen(ann) {
  const events = [];
  for (const name of TOLD) {
    ann.on(name, (...args) => {
      const options = args.find((value) => value && 'attempt' in value);
      events.push({ name, options, then: { ...options }, error: args.find((value) => value && 'message' in value)?.message });
    });
  }
  return events;
}

function attempts(ann) {
  return ann.story.filter((event) => event === 'reconnect').length;
}

// Every event of an outage has the same object, whose times and delays are those of Primus.
function assertOutage(events, { min, max }) {
  const [{ options, then: { start } }] = events;
  let duration = 0;
  let attempt = 0;
  for (const { name, options: object, then } of events) {
    assert.equal(object, options, name);
    assert.deepEqual(Object.keys(then), KEYS, name);
    assert.equal(then.start, start);
    assert.ok(then.duration >= duration, `${name}: ${then.duration} after ${duration}`);
    ({ duration } = then);
    assert.equal(then.backoff, name === 'reconnect scheduled', name);
    if (name === 'reconnect scheduled') {
      attempt++;
      const base = min * 2 ** (attempt - 1);
      const [least, most] = attempt === 1 ? [min, min] : [Math.min(base, max), Math.min(2 * base, max)];
      assert.ok(then.scheduled >= least && then.scheduled <= most, `attempt ${attempt}: ${then.scheduled}`);
    }
    assert.equal(then.attempt, attempt, name);
  }
  assert.ok(Math.abs(start + duration - Date.now()) < 60000, 'times are of now');
}

module.exports = { listen, attempts, assertOutage };
