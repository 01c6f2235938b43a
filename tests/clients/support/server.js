'use strict';

// The real server as a child process, with its demo actions and rooms.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { setTimeout: delay } = require('node:timers/promises');
const { until } = require('./wait');

const BIN = process.env.STELLAR_BIN || path.join(__dirname, '../../../target/debug/stellar');
const LIMIT = 60000;

// No heartbeat within any test: who is gone there has said so, and nobody is taken for gone because the machine is slow.
const QUIET = ['limits', 'polling', 'socketio'].map((section) => `[${section}]\nping_interval_ms = 3600000\n`).join('');

class Server {
  // `config` is the text of a configuration file, `transports` the list for `--transport`; by default the server opens
  // what it opens without being told.
  constructor(config = '', transports = null) {
    this.config = config;
    this.transports = transports;
    this.address = '127.0.0.1:0';
  }

  // Resolves when the server listens: first on a port that the system chooses, then on that port again.
  async start() {
    if (!fs.existsSync(BIN)) throw new Error(`no server at ${BIN}: run "cargo build", or set STELLAR_BIN`);
    const deadline = Date.now() + LIMIT;
    for (;;) {
      try {
        await this.launch();
        return this;
      } catch (error) {
        // Between a stop and the next start, an outgoing connection of another program may be given the port.
        if (!/another program has this port/.test(error.message) || Date.now() > deadline) throw error;
        await delay(50);
      }
    }
  }

  async launch() {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'stellar-clients-'));
    const file = path.join(folder, 'stellar.toml');
    fs.writeFileSync(file, this.config);
    const args = ['serve', '--demo', '--listen', this.address, '--config', file];
    if (this.transports) args.push('--transport', this.transports);
    const child = spawn(BIN, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const leave = () => child.kill('SIGKILL');
    let output = '';
    let timer;
    this.child = child;
    this.exited = once(child, 'exit').finally(() => {
      process.off('exit', leave);
      fs.rmSync(folder, { recursive: true, force: true });
    });
    process.once('exit', leave);
    try {
      await new Promise((resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`not ready after ${LIMIT} ms: ${output}`)), LIMIT);
        child.once('close', (code) => reject(new Error(`exited with ${code} at the start: ${output}`)));
        child.once('error', reject);
        child.stderr.on('data', (text) => { output += text; });
        child.stdout.on('data', (text) => {
          output += text;
          const ready = /http:\/\/(127\.0\.0\.1:\d+)/.exec(output);
          if (!ready) return;
          [, this.address] = ready;
          resolve();
        });
      });
    } finally {
      clearTimeout(timer);
    }
  }

  get url() {
    return `http://${this.address}`;
  }

  get wsUrl() {
    return `ws://${this.address}`;
  }

  // Gives the exit code, or the signal that ended the server.
  async stop(signal = 'SIGTERM') {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), LIMIT);
    this.child.kill(signal);
    const [code, endedBy] = await this.exited;
    clearTimeout(timer);
    return code ?? endedBy;
  }

  // For the end of a test: quick, and also right for a server that is gone already.
  async kill() {
    if (this.child && this.child.exitCode === null && this.child.signalCode === null) await this.stop('SIGKILL');
  }

  // One value of `/metrics`, without `labels` the sum of all; 0 where nothing was counted yet.
  async metric(name, labels = '') {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line.startsWith(labels ? `${name}${labels} ` : name));
    const values = lines.filter((line) => /[ {]/.test(line[name.length])).map((line) => Number(line.split(' ').at(-1)));
    return values.reduce((sum, value) => sum + value, 0);
  }

  connections() {
    return this.metric('stellar_connections');
  }

  // Some questions: what was on its way to the server before them, such as the next GET of a client that polls, is there
  // once they are answered.
  async settle() {
    for (let n = 0; n < 3; n++) await this.connections();
  }

  untilConnections(count) {
    return until(async () => await this.connections() === count, `${count} connections on the server`);
  }
}

// A server for one test, or with `after` of node:test for one file.
async function serve(scope, config, transports) {
  const server = new Server(config, transports);
  scope.after(() => server.kill());
  return server.start();
}

module.exports = { QUIET, Server, serve };
