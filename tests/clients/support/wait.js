'use strict';

// Waiting for conditions, with a limit that only a failing test reaches. It is less than the server's own patience with a
// client that says nothing, so what has happened within it was not for that.

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

module.exports = { limited, raised, until };
