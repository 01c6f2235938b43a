'use strict';

// The generated Primus client as the server fills it in, npm `primus` servers to try it on, and a record of what
// a client emits.

const { once } = require('node:events');
const http = require('node:http');
const vm = require('node:vm');
const Primus = require('primus');
const { WebSocketServer } = require('ws');
const { read } = require('./load');
const { until } = require('./wait');
const { requester } = require('./xhr');

const SETTINGS = {
  pathname: '/primus',
  version: '8.0.9',
  pingTimeout: 45000,
  authorization: false,
  url: null,
  transports: ['ws'],
};

const VARIANTS = ['primus-ws', 'primus-polling', 'primus-ws-polling'];
const FILES = VARIANTS.flatMap((variant) => [`${variant}.js`, `${variant}.min.js`]);

function expression(file, { settings = {}, parser = 'null', plugins = '[]' } = {}) {
  return read(`dist/${file}`)
    .replace('"%SETTINGS%"', () => JSON.stringify({ ...SETTINGS, ...settings }))
    .replace('"%PARSER%"', () => parser)
    .replace('"%PLUGINS%"', () => plugins);
}

function wrapped(wrapper, file, filled, global = 'Primus') {
  return read(`wrap/${wrapper}.js`)
    .replace('"%GLOBAL%"', () => JSON.stringify(global))
    .replace('"%CLIENT%"', () => expression(file, filled));
}

// As CommonJS, with `globals` in the place of the real ones.
function load(file = 'primus-ws.min.js', filled = {}, globals = {}) {
  const module = { exports: {}, require };
  const all = { module, ...globals };
  new Function(...Object.keys(all), wrapped('primus', file, filled))(...Object.values(all));
  return module.exports;
}

// In a context of its own, as a script of a page: `window` is the global object.
function page(file, filled, globals = {}) {
  const window = vm.createContext({ setTimeout, clearTimeout, ...globals });
  window.self = window;
  vm.runInContext(wrapped('primus', file, filled), window);
  return window;
}

// A server that can go away and come back on its port.
class Server {
  constructor(options) {
    this.options = { transformer: 'websockets', ...options };
    this.port = 0;
    this.sparks = [];
    this.requests = []; // URLs of requests and upgrades
    this.received = []; // data of all sparks
  }

  async start() {
    this.http = http.createServer();
    this.primus = new Primus(this.http, this.options);
    for (const kind of ['request', 'upgrade']) {
      this.http.prependListener(kind, (request) => this.requests.push(request.originalUrl ?? request.url));
    }
    this.primus.on('connection', (spark) => {
      this.sparks.push(spark);
      spark.on('data', (data) => this.received.push(data));
      if (this.connected) this.connected(spark);
    });
    await new Promise((resolve) => this.http.listen(this.port, '127.0.0.1', resolve));
    this.port = this.http.address().port;
    this.url = `http://127.0.0.1:${this.port}`;
    return this;
  }

  get spark() {
    return this.sparks[this.sparks.length - 1];
  }

  // As in a crash or a restart: connections break, and may come back.
  async stop() {
    const { primus } = this;
    if (!primus) return;
    this.primus = null;
    const closed = new Promise((resolve) => primus.destroy({ reconnect: true }, resolve));
    // Kept connections would serve on, although nobody listens any more.
    await until(() => !this.http.listening, 'the server to close');
    this.http.closeAllConnections();
    await closed;
  }
}

// A server and clients for it, ended with the test. `kind` names the client: `real`, or a file of dist/.
async function setUp(t, serve = {}) {
  const server = await new Server(serve).start();
  const XMLHttpRequest = requester();
  const clients = [];
  const constructors = new Map();
  t.after(async () => {
    clients.forEach((client) => client.destroy());
    await server.stop();
    XMLHttpRequest.close();
  });
  const create = (kind, options, filled) => {
    if (kind === 'real' && !constructors.has(kind)) constructors.set(kind, server.primus.Socket);
    const Client = kind === 'real' ? constructors.get(kind) : load(kind, filled);
    const client = new Client(server.url, { XMLHttpRequest, ...options });
    clients.push(client);
    return client;
  };
  return { server, create, XMLHttpRequest };
}

// A WebSocket server of which each frame is in our hand.
async function frames(t) {
  const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(sockets, 'listening');
  const server = { frames: [], url: `http://127.0.0.1:${sockets.address().port}` };
  sockets.on('connection', (socket, request) => {
    Object.assign(server, { socket, request });
    socket.on('message', (data, isBinary) => server.frames.push(isBinary ? data : String(data)));
  });
  const clients = [];
  server.create = (options, filled, file = 'primus-ws.min.js') => {
    const client = new (load(file, filled))(server.url, { reconnect: { min: 20, max: 60 }, ...options });
    clients.push(client);
    return client;
  };
  t.after(() => {
    clients.forEach((client) => client.destroy());
    sockets.clients.forEach((socket) => socket.terminate());
    sockets.close();
  });
  return server;
}

// The same test for each client of ours, with the server that it is for.
const OURS = [
  ['primus-ws.min.js', 'websockets'],
  ['primus-ws-polling.min.js', 'websockets'],
  ['primus-polling.min.js', 'engine.io'],
  ['primus-ws-polling.min.js', 'engine.io'],
];

function each(test, name, serve, play) {
  for (const [kind, transformer] of OURS) {
    test(`${name} (${kind}, ${transformer})`, async (t) => {
      const { server, create, XMLHttpRequest } = await setUp(t, { transformer, ...serve });
      const make = (options, filled) => create(kind, { reconnect: { min: 20, max: 60 }, ...options }, filled);
      await play({ t, kind, transformer, server, create: make, requests: XMLHttpRequest.requests });
    });
  }
}

// Every name that the client emits, with the state for changes of it.
function record(client) {
  const names = [];
  const { emit } = client;
  client.emit = function (event, first) {
    if (!/listener$/i.test(event)) names.push(event === 'readyStateChange' ? `${event} ${first}` : event);
    return emit.apply(this, arguments);
  };
  client.on('error', () => {});
  return names;
}

// Open, and on its way no longer: with engine.io a connection begins by polling.
async function opened(client) {
  await until(() => client.readyState === 3, 'an open connection');
  if (!client.AVOID_WEBSOCKETS) await until(() => client.socket?.transport?.name !== 'polling', 'the upgrade');
}

module.exports = {
  SETTINGS, VARIANTS, FILES, expression, wrapped, load, page, setUp, frames, each, record, opened,
};
