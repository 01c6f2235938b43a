'use strict';

// Waiting for conditions, with a limit that only a failing test reaches. It is less than the server's own patience with a
// client that says nothing, so what has happened within it was not for that.

const { existsSync, readFileSync, readdirSync } = require('node:fs');
const { setTimeout: delay } = require('node:timers/promises');

const LIMIT = 30000;

function limited(promise, what) {
  let timer;
  const limit = new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${LIMIT} ms for ${what}`)), LIMIT);
  });
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}

// The arguments of the next event of that name.
function raised(emitter, event) {
  return limited(new Promise((resolve) => emitter.once(event, (...args) => resolve(args))), `the event ${event}`);
}

async function until(condition, what) {
  let over = false;
  const polling = (async () => {
    while (!over && !await condition()) await delay(5);
  })();
  try {
    await limited(polling, what);
  } finally {
    over = true;
  }
}

// Stops a process, and waits until each of its threads has stopped: until then it may still answer.
async function freeze(child) {
  child.kill('SIGSTOP');
  const tasks = `/proc/${child.pid}/task`;
  if (!existsSync(tasks)) return;
  const isStopped = (task) => {
    try {
      return / T /.test(readFileSync(`${tasks}/${task}/stat`, 'utf8').replace(/^.*\)/, ''));
    } catch {
      // A thread that is gone says nothing any more.
      return true;
    }
  };
  await until(() => readdirSync(tasks).every(isStopped), 'the process to stop');
}

module.exports = { freeze, limited, raised, until };
