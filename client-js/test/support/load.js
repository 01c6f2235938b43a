'use strict';

// Turns dist/ into a running client, the way the server does it.

const fs = require('node:fs');
const path = require('node:path');

const ROOT = path.join(__dirname, '..', '..');

const SETTINGS = {
  url: null,
  apiPath: '/api',
  path: '/primus',
  defaultRoom: 'defaultRoom',
  simultaneousActions: 5,
  transports: ['ws'],
  pingTimeout: 45000,
  cookieKey: 'sessionID',
};

// The two names in a script for socket.io.
const SOCKETIO = ['socketio', 'socketio-polling'];

function read(name) {
  return fs.readFileSync(path.join(ROOT, name), 'utf8');
}

function expression(file, settings = SETTINGS) {
  return read(`dist/${file}`).replace('"%SETTINGS%"', () => JSON.stringify(settings));
}

function wrapped(wrapper, file, global = 'StellarClient', settings = SETTINGS) {
  return read(`wrap/${wrapper}.js`)
    .replace('"%CLIENT%"', () => expression(file, settings))
    .replace('"%GLOBAL%"', () => JSON.stringify(global));
}

// The constructor, with `globals` in the place of the real ones (`undefined` hides one).
function load(globals = {}, file = 'ws.js', settings = SETTINGS) {
  return new Function(...Object.keys(globals), `return (${expression(file, settings)})`)(...Object.values(globals));
}

// The settings that a server with these transports fills in, and the file that goes with them.
function variant(transports, minified) {
  const isSocketio = transports.some((transport) => SOCKETIO.includes(transport));
  const name = isSocketio ? 'socketio' : ['ws', 'polling'].filter((transport) => transports.includes(transport)).join('-');
  const path = isSocketio ? '/socket.io' : SETTINGS.path;
  return [minified ? `${name}.min.js` : `${name}.js`, { ...SETTINGS, path, transports }];
}

module.exports = { ROOT, SETTINGS, SOCKETIO, read, expression, wrapped, load, variant };
