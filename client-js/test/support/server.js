'use strict';

// A small Stellar server in four editions: on npm `primus`, whose protocol the client speaks, on npm `ws`,
// where each frame is in our hand, on npm `engine.io` for long polling and the way from there to WebSocket, and
// on npm `socket.io`.
// Verbs, numbers and errors as the real server has them.

const http = require('node:http');
const { randomUUID } = require('node:crypto');
const { setTimeout: delay } = require('node:timers/promises');
const engineio = require('engine.io');
const Primus = require('primus');
const socketio = require('socket.io');
const { WebSocketServer } = require('ws');

const ERRORS = {
  '004': (name) => `Unknown action (${name}) or invalid apiVersion`,
  '007': () => 'You have too many pending requests',
  '010': () => 'The requested file does not exist',
  '014': (verb) => `Verb not found or not allowed (${verb})`,
  '015': () => 'Both room and message are required',
  '016': (id, room) => `Connection (${id}) not in room (${room})`,
  '017': (id, room) => `Connection (${id}) already in room (${room})`,
  '019': (room) => `Room (${room}) does not exist`,
};

// Context of a packet -> its name as an event of socket.io; others are `welcome` or `api`.
const EVENTS = { response: 'response', user: 'say', alert: 'alert' };

function failure(code, ...args) {
  return { code, message: ERRORS[code](...args) };
}

const ACTIONS = {
  randomNumber: async () => ({ number: Math.random() }),
  echo: async (params) => ({ params }),
  sleep: async ({ sleepDuration = 1000 }) => {
    await delay(sleepDuration);
    return { sleepDuration };
  },
  broken: async () => ({ error: 'broken', partial: true }),
};

// One connection of the application; `link` is `{send(value), end()}`.
class Connection {
  constructor(server, link, fingerprint) {
    Object.assign(this, { server, link, fingerprint });
    this.id = randomUUID();
    this.connectedAt = Date.now();
    this.rooms = [];
    this.messageCount = 0;
    this.totalActions = 0;
    this.pendingActions = 0;
  }

  async receive(packet) {
    const messageCount = ++this.messageCount;
    this.server.received.push(packet);
    const response = await this.answer(packet ?? {});
    if (response) this.link.send({ ...response, context: 'response', messageCount });
  }

  async answer(packet) {
    const { event, room } = packet;
    const verb = (error, data) => (error ? { status: error.message, error, data } : { status: 'OK', data });
    switch (event) {
      case 'detailsView':
        return verb(null, {
          id: this.id, fingerprint: this.fingerprint, remoteIP: '127.0.0.1', remotePort: 1, params: {},
          connectedAt: this.connectedAt, rooms: [...this.rooms],
          totalActions: this.totalActions, pendingActions: this.pendingActions,
        });
      case 'roomAdd':
      case 'roomJoin':
        if (this.rooms.includes(room)) return verb(failure('017', this.id, room), false);
        if (!this.server.rooms.includes(room)) return verb(failure('019', room), false);
        this.rooms.push(room);
        return verb(null, true);
      case 'roomLeave':
        if (!this.rooms.includes(room)) return verb(failure('016', this.id, room), false);
        this.rooms = this.rooms.filter((other) => other !== room);
        return verb(null, true);
      case 'roomView':
        if (!this.rooms.includes(room)) return verb({ code: '016', message: `not member of room ${room}` });
        return verb(null, this.server.status(room));
      case 'say':
        return verb(this.say(room, packet.message));
      case 'event':
        return verb(this.say(packet.params.room, { event: packet.params.event, data: packet.params.data }));
      case 'file':
        return packet.file === 'simple.html'
          ? { error: null, content: '<h1>simple</h1>', mime: 'text/html', length: 15 }
          : { error: failure('010'), content: null, mime: 'text/html', length: 33 };
      case 'action':
        return this.action(packet.params ?? {});
      default:
        return verb(failure('014', event), null);
    }
  }

  say(room, message) {
    if (!room || message == null || message === '') return failure('015');
    if (!this.rooms.includes(room)) return failure('016', this.id, room);
    this.server.say(room, message, this.id);
    return null;
  }

  async action(params) {
    this.totalActions++;
    if (++this.pendingActions > 5) {
      this.pendingActions--;
      return { error: failure('007') };
    }
    const response = await this.server.action(params);
    this.pendingActions--;
    return response;
  }
}

class Server {
  constructor(engine, options = {}) {
    Object.assign(this, { engine, options });
    this.rooms = ['defaultRoom', 'otherRoom', '__proto__'];
    this.connections = new Set();
    this.received = []; // packets of all sockets
    this.requests = []; // HTTP requests of actions
    this.port = 0;
  }

  // Listens, after a stop on the same port again.
  async start() {
    this.http = http.createServer((request, response) => this.respond(request, response));
    if (this.engine === 'primus') this.startPrimus();
    else if (this.engine === 'ws') this.startWs();
    else if (this.engine === 'socket.io') this.startSocketIo();
    else this.startEngineIo();
    await new Promise((resolve) => this.http.listen(this.port, '127.0.0.1', resolve));
    this.port = this.http.address().port;
    this.url = `http://127.0.0.1:${this.port}`;
    return this;
  }

  startPrimus() {
    const pingInterval = this.options.pingInterval ?? 30000;
    this.primus = new Primus(this.http, { transformer: 'websockets', pathname: '/primus', pingInterval });
    this.primus.on('connection', (spark) => {
      const link = { send: (value) => spark.write(value), end: () => spark.end() };
      const connection = this.open(link, spark.query.sessionID);
      spark.on('data', (packet) => connection.receive(packet));
      spark.on('end', () => this.connections.delete(connection));
      spark.on('outgoing::ping', () => { this.pings = (this.pings || 0) + 1; });
    });
  }

  startWs() {
    this.sockets = new WebSocketServer({ server: this.http, path: '/primus' });
    this.sockets.on('connection', (socket, request) => {
      const send = (value) => socket.send(JSON.stringify(value));
      const end = () => {
        send('primus::server::close');
        socket.close();
      };
      const query = new URL(request.url, this.url).searchParams;
      const connection = this.open({ send, end }, query.get('sessionID'));
      socket.on('message', (text) => {
        const packet = JSON.parse(text);
        if (typeof packet === 'string' && packet.startsWith('primus::')) this.control = packet;
        else connection.receive(packet);
      });
      socket.on('close', () => this.connections.delete(connection));
    });
  }

  startEngineIo() {
    this.engineio = engineio.attach(this.http, { path: '/primus', transports: ['polling'], ...this.options });
    this.engineio.on('connection', (socket) => {
      // By default a closed session is kept for half a minute, and the test's process with it.
      socket.transport.closeTimeout = 100;
      const send = (value) => socket.send(JSON.stringify(value));
      const end = () => {
        send('primus::server::close');
        socket.close();
      };
      const query = new URL(socket.request.url, this.url).searchParams;
      const connection = this.open({ send, end, socket }, query.get('sessionID'));
      socket.on('message', (text) => {
        const packet = JSON.parse(text);
        if (typeof packet === 'string' && packet.startsWith('primus::')) this.control = packet;
        else connection.receive(packet);
      });
      socket.on('close', (reason) => {
        this.reason = reason;
        this.connections.delete(connection);
      });
    });
  }

  startSocketIo() {
    this.socketio = new socketio.Server(this.http, { serveClient: false, ...this.options });
    this.engineio = this.socketio.engine;
    if (this.options.authorize) this.socketio.use(this.options.authorize);
    this.socketio.on('connection', (socket) => {
      const { conn } = socket;
      conn.transport.closeTimeout = 100; // as above
      const send = (value) => socket.emit(EVENTS[value.context] ?? (value.welcome ? 'welcome' : 'api'), value);
      const end = () => socket.disconnect(true);
      const connection = this.open({ send, end, socket: conn, events: socket }, socket.handshake.query.sessionID);
      socket.on('message', (packet) => connection.receive(packet));
      socket.on('disconnect', (reason) => {
        this.reason = reason;
        this.connections.delete(connection);
      });
    });
  }

  open(link, fingerprint = null) {
    const connection = new Connection(this, link, fingerprint);
    this.connections.add(connection);
    link.send({ welcome: 'Hello human! Welcome to Stellar', context: 'api' });
    return connection;
  }

  // As in a restart: connections break, and may come back.
  async stop() {
    if (this.primus) {
      await new Promise((resolve) => this.primus.destroy({ reconnect: true, close: true }, resolve));
      this.primus = null;
    } else {
      if (this.engineio) {
        // Also with socket.io, whose own close() says goodbye for good.
        this.engineio.close();
      } else {
        for (const socket of this.sockets.clients) socket.terminate();
        this.sockets.close();
      }
      await new Promise((resolve) => {
        this.http.close(resolve);
        this.http.closeAllConnections();
      });
    }
  }

  get only() {
    if (this.connections.size !== 1) throw new Error(`${this.connections.size} connections`);
    return [...this.connections][0];
  }

  push(packet) {
    for (const connection of this.connections) connection.link.send(packet);
  }

  say(room, message, from = 0) {
    for (const connection of this.connections) {
      if (!connection.rooms.includes(room)) continue;
      connection.link.send({ message, room, from, context: 'user', sentAt: Date.now(), seq: 1, epoch: 'e' });
    }
  }

  status(room) {
    const members = [...this.connections].filter((connection) => connection.rooms.includes(room));
    return {
      room,
      membersCount: members.length,
      members: Object.fromEntries(members.map(({ id, connectedAt }) => [id, { id, joinedAt: connectedAt }])),
    };
  }

  async action(params) {
    const run = Object.hasOwn(ACTIONS, params.action) && ACTIONS[params.action];
    return run ? run(params) : { error: failure('004', params.action) };
  }

  async respond(request, response) {
    const { method, headers } = request;
    const url = new URL(request.url, this.url);
    let body = '';
    for await (const chunk of request) body += chunk;
    this.requests.push({ method, url: request.url, contentType: headers['content-type'], body });
    const result = await this.action({ ...Object.fromEntries(url.searchParams), ...(body && JSON.parse(body)) });
    response.writeHead(result.error ? 400 : 200, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify({ ...result, serverInformation: {}, requesterInformation: {} }));
  }
}

module.exports = { Server };
