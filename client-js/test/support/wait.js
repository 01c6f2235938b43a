'use strict';

// Waiting for conditions, with a limit that only a failing test reaches.

const LIMIT = 60000;

function limited(promise, what) {
  let timer;
  const limit = new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${LIMIT} ms for ${what}`)), LIMIT);
  });
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}

// The arguments of the next event of that name.
function raised(client, event) {
  return limited(new Promise((resolve) => client.once(event, (...args) => resolve(args))), `event ${event}`);
}

async function until(condition, what) {
  let over = false;
  const polling = (async () => {
    while (!over && !condition()) await new Promise((resolve) => setTimeout(resolve, 1));
  })();
  try {
    await limited(polling, what);
  } finally {
    over = true;
  }
}

module.exports = { limited, raised, until };
