'use strict';

// A real Primus server with the server parts of npm's plugins, and clients with the client parts under test.

const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const vm = require('node:vm');
const { once } = require('node:events');
const node = require('node:test');
const Primus = require('primus');
const generated = require('./primus');

const folder = path.join(__dirname, '..', '..', 'src', 'plugins');
const files = fs.readdirSync(folder).filter((file) => file.endsWith('.js'));

function source(name) {
  return fs.readFileSync(path.join(folder, `${name}.js`), 'utf8');
}

// Each test runs with the client of npm and with our own; only the plugins are the same. What never comes fails after
// a while.
function test(name, scenario) {
  for (const kind of ['npm', 'generated']) {
    node.test(`${name} (${kind} client)`, { timeout: 10_000 }, () => {
      World.kind = kind;
      return scenario();
    });
  }
}

// Our entry of the plugin list, as the generated script has it.
function load(name) {
  return vm.runInThisContext(`(${source(name)})`);
}

// The server part of an npm plugin with our client part.
function ours(name, npm) {
  return { server: npm.server, client: load(name).client, source: source(name) };
}

class World {
  // `plugins`: name -> plugin of Primus, in the order of registration.
  static async start(plugins) {
    const world = new World(plugins);
    await world.listen(0);
    return world;
  }

  constructor(plugins) {
    this.clients = [];
    this.sent = []; // texts of the clients, as they arrived
    this.written = []; // texts of the server
    this.http = http.createServer();
    this.primus = new Primus(this.http, { transformer: 'websockets', pingInterval: false });
    for (const [name, plugin] of Object.entries(plugins)) this.primus.plugin(name, plugin);
    this.primus.on('connection', (spark) => {
      spark.on('incoming::data', (text) => this.sent.push(String(text)));
      spark.on('outgoing::data', (text) => this.written.push(String(text)));
    });
    const sources = Object.values(plugins).map((plugin) => plugin.source);
    this.Client = World.kind === 'generated' && sources.every((text) => text !== undefined)
      ? generated.load('primus-ws.min.js', { plugins: `[${sources}]` })
      : this.primus.Socket;
  }

  async listen(port) {
    await once(this.http.listen(port, '127.0.0.1'), 'listening');
    this.url = `http://127.0.0.1:${this.http.address().port}`;
  }

  // A client of a server that opens its port only when the client has tried in vain three times.
  async early() {
    const reserved = http.createServer().listen(0, '127.0.0.1');
    await once(reserved, 'listening');
    const { port } = reserved.address();
    await new Promise((closed) => reserved.close(closed));
    this.url = `http://127.0.0.1:${port}`;
    const client = this.client();
    client.on('error', () => {});
    client.on('reconnect scheduled', ({ attempt }) => attempt === 3 && this.listen(port));
    return client;
  }

  client(options = {}) {
    const client = new this.Client(this.url, { reconnect: { min: 20, max: 40, retries: 20 }, ...options });
    this.clients.push(client);
    return client;
  }

  // A client and its spark, both open.
  async pair(options) {
    const connected = once(this.primus, 'connection');
    const client = this.client(options);
    const [[spark]] = await Promise.all([connected, once(client, 'open')]);
    return { client, spark };
  }

  // All of what was sent before has been seen by the server when this returns, and what it wrote by the client.
  async settled(client) {
    const mark = `mark ${World.marks++}`;
    const echo = new Promise((resolve) => {
      client.on('data', function seen(data) {
        if (data !== mark) return;
        client.removeListener('data', seen);
        resolve();
      });
    });
    this.primus.forEach((spark) => {
      if (spark.listeners('data').some((listener) => listener.echoes)) return;
      const listener = (data) => { if (String(data).startsWith('mark ')) spark.write(data); };
      spark.on('data', Object.assign(listener, { echoes: true }));
    });
    client.write(mark);
    await echo;
  }

  // Texts of one direction without the marks and Primus's own.
  texts(direction) {
    return this[direction].filter((text) => !/^"(mark |primus::)/.test(text));
  }

  async stop() {
    for (const client of this.clients) client.end();
    await new Promise((resolve) => this.primus.destroy({ close: true }, resolve));
  }
}

World.marks = 1;

// Arguments that an event of `emitter` was raised with, growing as they come. The npm client lives in a realm of its
// own; its objects are copied into this one, to be compared.
function record(emitter, event) {
  const values = [];
  emitter.on(event, (...args) => values.push(args.map((arg) => (typeof arg === 'function' ? arg : structuredClone(arg)))));
  return values;
}

// Runs `scenario(world)` in a fresh world and returns what crossed the wire, with the random ids numbered.
async function wire(plugins, scenario) {
  const world = await World.start(plugins);
  try {
    await scenario(world);
    const ids = new Map();
    const number = (text) => text.replace(/"([0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-z]+-\d+|[0-9a-z]{9,15})"/g, (whole, id) => {
      if (!ids.has(id)) ids.set(id, `"#${ids.size + 1}"`);
      return ids.get(id);
    });
    return { sent: world.texts('sent').map(number), written: world.texts('written').map(number) };
  } finally {
    await world.stop();
  }
}

module.exports = { World, files, load, once, ours, record, source, test, wire };
