'use strict';

// A mocha reporter that writes one line per case into the file of the environment's RESULTS: what came of it, and its title.

const fs = require('node:fs');

module.exports = function Results(runner) {
  const file = fs.openSync(process.env.RESULTS, 'w');
  const seen = new Map();
  const tell = (outcome) => (test, error) => {
    const title = test.titlePath().join(' › ');
    // Two cases with one title are told apart by their order.
    const number = (seen.get(title) || 0) + 1;
    seen.set(title, number);
    const line = { outcome, title: number === 1 ? title : `${title} (${number})`, error: error && String(error.message) };
    fs.writeSync(file, `${JSON.stringify(line)}\n`);
  };
  runner.on('pass', tell('passed'));
  runner.on('fail', tell('failed'));
  runner.on('pending', tell('skipped'));
};
