'use strict';

// The example `primus`, a server on the Rust API, as a child process; and npm clients with any parser.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const { setTimeout: delay } = require('node:timers/promises');
const Primus = require('primus');
const { limited } = require('./wait');

const FOLDER = path.dirname(process.env.STELLAR_BIN || path.join(__dirname, '../../../target/debug/stellar'));
const BIN = path.join(FOLDER, 'examples/primus');

// The runner ends a file that takes too long with this signal: its servers are to go as at any other end.
process.once('SIGTERM', () => process.exit(143));

class Example {
  constructor(args) {
    this.args = args;
    this.address = '127.0.0.1:0';
    this.output = '';
  }

  // Again on the same port after the first time.
  async start() {
    if (!fs.existsSync(BIN)) throw new Error(`no example at ${BIN}: run "cargo build --examples"`);
    const deadline = Date.now() + (this.pathname ? 60000 : 0);
    for (;;) {
      try {
        return await this.launch();
      } catch (error) {
        // Between a stop and the next start, an outgoing connection may be given the port.
        if (Date.now() > deadline) throw error;
        await delay(50);
      }
    }
  }

  async launch() {
    const child = spawn(BIN, ['--listen', this.address, ...this.args], { stdio: ['ignore', 'pipe', 'inherit'] });
    const leave = () => child.kill('SIGKILL');
    process.once('exit', leave);
    this.child = child;
    this.exited = once(child, 'exit').finally(() => process.off('exit', leave));
    await limited(new Promise((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`exited with ${code}: ${this.output}`)));
      child.stdout.on('data', (text) => {
        this.output += text;
        const ready = /Primus on http:\/\/([\d.]+:\d+)(\S+)/.exec(this.output);
        if (!ready) return;
        [, this.address, this.pathname] = ready;
        resolve();
      });
    }), 'the example to listen');
    return this;
  }

  get url() {
    return `http://${this.address}`;
  }

  async stop(signal = 'SIGTERM') {
    this.child.kill(signal);
    const [code] = await limited(this.exited, 'the example to stop');
    return code;
  }
}

// One server for one test, or with `after` of node:test for more.
async function example(scope, ...args) {
  const server = new Example(args);
  scope.after(() => (server.child.exitCode === null && server.child.signalCode === null ? server.stop('SIGKILL') : null));
  return server.start();
}

const constructors = new Map();

// The npm client for a transformer, parser and pathname.
function npmClient(transformer, parser = 'json', pathname = '/primus') {
  const key = [transformer, parser, pathname].join();
  if (!constructors.has(key)) constructors.set(key, Primus.createSocket({ transformer, parser, pathname }));
  return constructors.get(key);
}

module.exports = { example, npmClient };
