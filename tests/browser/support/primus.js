'use strict';

// Pages written for Primus: a web server of their own, the examples as servers, and what a page has seen.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');
const { setTimeout: delay } = require('node:timers/promises');
const { chromium } = require('playwright-core');

const FOLDER = path.dirname(process.env.STELLAR_BIN || path.join(__dirname, '../../../target/debug/stellar'));
const CHROMIUM = process.env.CHROMIUM || '/usr/bin/chromium';
const MISSING = `no browser at ${CHROMIUM}: run "apt-get install chromium", or set CHROMIUM`;
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync',
  '--disable-background-networking', '--disable-component-update',
  // Pages that a test makes up count as foreign, and those may not connect to this machine.
  '--disable-features=LocalNetworkAccessChecks',
];
const LIMIT = 60000; // of one step; only a failing test comes to it

// The scripts of one server, by the transport that each uses first.
const SCRIPTS = {
  'the script for WebSocket': 'primus.js?transport=ws',
  'the script for polling': 'primus.js?transport=polling',
  'the default script': 'primus.js',
};

// Answers with the page that was put there. Its port makes it another origin than any server.
class Home {
  constructor() {
    this.pages = new Map();
    this.server = http.createServer((request, response) => {
      const page = this.pages.get(request.url);
      response.writeHead(page ? 200 : 404, page && page.headers);
      response.end(page && page.body);
    });
  }

  async start() {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    this.url = `http://127.0.0.1:${this.server.address().port}`;
  }

  stop() {
    this.server.close();
    this.server.closeAllConnections();
  }

  put(address, body, headers) {
    this.pages.set(address, { body, headers: { 'Content-Type': 'text/html; charset=utf-8', ...headers } });
  }
}

// An example as a child process.
class Example {
  constructor(name, args = []) {
    this.bin = path.join(FOLDER, 'examples', name);
    this.args = args;
    this.address = '127.0.0.1:0';
  }

  // After the first time on the same port, where clients look for it again.
  async start() {
    if (!fs.existsSync(this.bin)) throw new Error(`no example at ${this.bin}: run "cargo build --examples"`);
    const deadline = Date.now() + (this.address.endsWith(':0') ? 0 : LIMIT);
    for (;;) {
      try {
        return await this.launch();
      } catch (error) {
        // Between a stop and the next start, an outgoing connection of another program may be given the port.
        if (Date.now() > deadline) throw error;
        await delay(50);
      }
    }
  }

  async launch() {
    const isPlugins = this.bin.endsWith('_plugins');
    const args = [...(isPlugins ? [this.address] : ['--listen', this.address]), ...this.args];
    const child = spawn(this.bin, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const leave = () => child.kill('SIGKILL');
    process.once('exit', leave);
    this.child = child;
    this.exited = once(child, 'exit').finally(() => process.off('exit', leave));
    let output = '';
    await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`not ready after ${LIMIT} ms: ${output}`)), LIMIT);
      child.once('exit', (code) => reject(new Error(`exited with ${code} at the start: ${output}`)));
      child.stdout.on('data', (text) => {
        output += text;
        const ready = /Primus on http:\/\/([\d.]+:\d+)\//.exec(output);
        if (!ready) return;
        clearTimeout(timer);
        [, this.address] = ready;
        resolve();
      });
    });
    return this;
  }

  get url() {
    return `http://${this.address}`;
  }

  async stop() {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL');
    await this.exited;
  }
}

// Runs in each page before its scripts: `watch(primus)` writes down what it raises, `raised` waits for one event.
function tools() {
  const PUBLIC = [
    'open', 'data', 'error', 'close', 'end', 'timeout', 'offline', 'online', 'readyStateChange', 'reconnect scheduled',
    'reconnect', 'reconnected', 'reconnect failed',
  ];
  window.watch = (primus) => {
    primus.seen = [];
    PUBLIC.forEach((name) => primus.on(name, (value) => primus.seen.push([name, value])));
    return primus;
  };
  // The story, with the state that each change of it led to and without what carries data.
  window.story = (primus) => primus.seen.filter(([name]) => name !== 'data')
    .map(([name, value]) => (name === 'readyStateChange' ? `now ${value}` : name));
  window.heard = (primus) => primus.seen.filter(([name]) => name === 'data').map(([, value]) => value);
  // The argument of the `count`th event of that name, now or later.
  window.raised = (primus, event, count = 1) => new Promise((resolve) => {
    const look = () => {
      const found = primus.seen.filter(([name]) => name === event)[count - 1];
      if (found) resolve(found[1]);
      return Boolean(found);
    };
    if (!look()) primus.on(event, look);
  });
}

// `define` gets the world: `{home, server(name, ...args), visit(server, options), elsewhere()}`. Drivers of browsers have them throw away
// the pages that are left; with `keepsPages` they are kept to go back to, as for people.
function suite(name, define, { keepsPages } = {}) {
  const skip = !fs.existsSync(CHROMIUM) && !process.env.CI && MISSING;
  describe(name, { skip }, () => {
    const world = { home: new Home() };
    let browser;
    before(async () => {
      const ignoreDefaultArgs = keepsPages ? ['--disable-back-forward-cache'] : [];
      browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS, ignoreDefaultArgs });
      await world.home.start();
    });
    after(async () => {
      if (browser) await browser.close();
      world.home.stop();
    });

    // A server for one test, that lets in pages of the home.
    world.server = async (t, example = 'primus', ...args) => {
      const origin = example === 'primus' ? ['--origin', world.home.url] : [];
      const server = new Example(example, [...origin, ...args]);
      t.after(() => server.child && server.stop());
      return server.start();
    };

    // A page of the home with the script of the server, and with `primus`, which the `body` is to make.
    let count = 0;
    world.visit = async (t, server, options = {}) => {
      const { script = 'primus.js', body = 'var primus = watch(new Primus(url));', headers, prepare, at } = options;
      const address = `/${++count}.html`;
      const tag = script.startsWith('/') ? script : `${server.url}/primus/${script}`;
      world.home.put(address, `<!DOCTYPE html><link rel="icon" href="data:,"><script src="${tag}"></script>
<script>var url = ${JSON.stringify(server.url)};\n${body}</script>`, headers);
      const context = await browser.newContext();
      t.after(() => context.close());
      const page = await context.newPage();
      page.setDefaultTimeout(LIMIT);
      page.problems = [];
      page.on('pageerror', (error) => page.problems.push(error.message));
      await page.addInitScript(tools);
      if (prepare) await prepare(page);
      await page.goto((at || world.home.url) + address);
      return page;
    };
    // The address of a page of the home without a client.
    world.elsewhere = () => {
      const address = `/elsewhere-${++count}.html`;
      world.home.put(address, '<!DOCTYPE html><link rel="icon" href="data:,">');
      return world.home.url + address;
    };
    define(world);
  });
}

// A test with a limit, so that a promise that never settles fails here and not elsewhere.
const check = (name, body) => it(name, { timeout: 4 * LIMIT }, body);

module.exports = { SCRIPTS, suite, check };
