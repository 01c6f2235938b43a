'use strict';

// The suites: where they come from, and how each is run. Results are in the order in which the suite has its cases.

const fs = require('node:fs');
const path = require('node:path');
const { autobahn } = require('./autobahn');
const { serving } = require('./build');
const { primus, protocol } = require('./mocha');

const CONFIG = path.join(__dirname, '../echo.toml');

function engineio(version) {
  return {
    from: `github.com/socketio/socket.io, docs/engine.io-protocol/v${version}-test-suite`,
    folders: [`docs/engine.io-protocol/v${version}-test-suite`, 'test-suite'],
    program: 'examples/suite_echo',
    run: ({ source, bin, work }) => serving(bin, [CONFIG], (url) => protocol(source, work, url)),
  };
}

const OPEN = {
  engineio3: engineio(3),
  engineio4: engineio(4),
  socketio5: {
    ...engineio(4),
    from: 'github.com/socketio/socket.io, docs/socket.io-protocol/v5-test-suite',
    folders: ['docs/socket.io-protocol/v5-test-suite', 'test-suite'],
  },
  primus: {
    from: 'github.com/primus/primus, test/transformer.base.js',
    folders: ['.'],
    program: 'stellar',
    run: ({ source, bin, work }) => primus(source, work, bin),
  },
  autobahn: {
    from: 'pypi.org/project/autobahntestsuite, installed here',
    program: 'examples/suite_echo',
    run: ({ bin, work }) => serving(bin, [CONFIG], (url) => autobahn(work, url)),
  },
};

// Where in a checkout the suite is.
function checkout({ from, folders }, folder) {
  const places = folder ? folders.map((name) => path.join(folder, name)) : [];
  const found = places.find((place) => fs.existsSync(path.join(place, 'package.json')));
  if (!found) throw new Error(`${folder || 'no checkout is named, which'} should hold ${folders.join(' or ')}: name a clone of ${from}`);
  return found;
}

module.exports = { OPEN, checkout };
