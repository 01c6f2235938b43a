'use strict';

// The real server as a child process, with its demo actions and rooms.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { setTimeout: delay } = require('node:timers/promises');

const BIN = process.env.STELLAR_BIN || path.join(__dirname, '../../../target/debug/stellar');
const LIMIT = 60000;

// No heartbeat within any test: who is gone there has said so, and nobody is taken for gone because the machine is slow.
const QUIET = ['limits', 'polling', 'socketio'].map((section) => `[${section}]\nping_interval_ms = 3600000\n`).join('');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'stellar-browser-'));
const config = path.join(folder, 'stellar.toml');
fs.writeFileSync(config, QUIET);

// None of them outlives the tests.
const running = new Set();
process.once('exit', () => {
  running.forEach((child) => child.kill('SIGKILL'));
  fs.rmSync(folder, { recursive: true, force: true });
});

class Server {
  // `transports` is the list for `--transport`, `origins` are those of pages that may connect besides its own, and `folder`
  // is one whose files are served.
  constructor(transports, { origins = [], folder } = {}) {
    this.flags = ['--config', config, '--transport', transports, ...origins.flatMap((origin) => ['--origin', origin])];
    if (folder) this.flags.push('--public', folder);
  }

  // Resolves when the server listens; by default on a port that the system chooses.
  async start(listen = '127.0.0.1:0') {
    if (!fs.existsSync(BIN)) throw new Error(`no server at ${BIN}: run "cargo build", or set STELLAR_BIN`);
    const deadline = Date.now() + LIMIT;
    for (;;) {
      try {
        return await this.launch(listen);
      } catch (error) {
        // Between a stop and the next start, an outgoing connection of another program may be given the port.
        if (!/another program has this port/.test(error.message) || Date.now() > deadline) throw error;
        await delay(50);
      }
    }
  }

  async launch(listen) {
    const child = spawn(BIN, ['serve', '--demo', '--listen', listen, ...this.flags], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    this.output = '';
    this.exited = once(child, 'exit');
    running.add(child);
    child.once('exit', () => running.delete(child));
    let timer;
    await new Promise((resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`not ready after ${LIMIT} ms: ${this.output}`)), LIMIT);
      child.once('close', (code) => reject(new Error(`exited with ${code} at the start: ${this.output}`)));
      child.once('error', reject);
      child.stderr.on('data', (text) => { this.output += text; });
      child.stdout.on('data', (text) => {
        this.output += text;
        const ready = /http:\/\/(127\.0\.0\.1:\d+)\D/.exec(this.output);
        if (!ready) return;
        this.address = ready[1];
        this.url = `http://${ready[1]}`;
        resolve();
      });
    }).finally(() => clearTimeout(timer));
    return this;
  }

  // Gives the exit code, or the signal that ended the server.
  async stop(signal = 'SIGTERM') {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), LIMIT);
    this.child.kill(signal);
    const [code, endedBy] = await this.exited;
    clearTimeout(timer);
    return code ?? endedBy;
  }

  // The same address again, as clients that come back expect it.
  again() {
    return this.start(this.address);
  }
}

module.exports = { Server };
