'use strict';

// The example with all plugins as a child process, and the clients that can talk to it.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const Primus = require('primus');
const { limited, raised } = require('./wait');
const { requester } = require('../../../client-js/test/support/xhr');

const FOLDER = path.dirname(process.env.STELLAR_BIN || path.join(__dirname, '../../../target/debug/stellar'));
const BIN = path.join(FOLDER, 'examples/primus_plugins');
const RECONNECT = { min: 20, max: 100, retries: 1000 };

// Starts the example for one test file; resolves to its URL.
async function start(scope) {
  if (!fs.existsSync(BIN)) throw new Error(`no example at ${BIN}: run "cargo build --examples"`);
  const child = spawn(BIN, ['127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const leave = () => child.kill('SIGKILL');
  process.once('exit', leave);
  scope.after(async () => {
    leave();
    await exited;
    process.off('exit', leave);
  });
  let output = '';
  return limited(new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`exited with ${code}: ${output}`)));
    child.stdout.on('data', (text) => {
      output += text;
      const ready = /http:\/\/127\.0\.0\.1:\d+/.exec(output);
      if (ready) resolve(ready[0]);
    });
  }), 'the example to listen');
}

function npm(transformer, plugins) {
  const plugin = Object.fromEntries(plugins.map((name) => [name, require(`primus-${name}`)]));
  return async () => Primus.createSocket({ transformer, parser: 'json', pathname: '/primus', plugin });
}

// The script that the server serves, as CommonJS.
async function generated(url) {
  const text = await (await fetch(`${url}/primus/primus.js`)).text();
  const module = { exports: {}, require };
  new Function('module', 'require', text)(module, require);
  return module.exports;
}

const ALL = ['emitter', 'multiplex', 'responder'];

// Kind of client -> `[constructor of a URL, options]`.
const KINDS = {
  'npm primus over WebSocket': [npm('websockets', ALL), {}],
  'npm primus over engine.io': [npm('engine.io', ALL), {}],
  'npm primus over polling': [npm('engine.io', ALL), { websockets: false }],
  'the generated client over WebSocket': [generated, {}],
  'the generated client over polling': [generated, { websockets: false }],
};

// A client of a kind that is open; it is ended after the test.
async function connect(t, url, [construct, options]) {
  const Client = await construct(url);
  const XMLHttpRequest = requester();
  const client = new Client(url, { reconnect: RECONNECT, XMLHttpRequest, ...options });
  t.after(() => {
    client.destroy();
    XMLHttpRequest.close?.();
  });
  await raised(client, 'open');
  return client;
}

module.exports = { KINDS, connect, generated, npm, start };
