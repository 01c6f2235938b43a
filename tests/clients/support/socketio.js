'use strict';

// Clients of npm `socket.io-client`: 4 and 3 speak version 5 of the protocol, 2 speaks version 4. They must be told of
// msgpack instead of JSON; the server finds out by itself.

const { io } = require('socket.io-client');
const { io: io3 } = require('socket.io-client-3');
const io2 = require('socket.io-client-2');
const msgpack = require('socket.io-msgpack-parser');
const { Inbox } = require('./inbox');
const { limited, raised } = require('./wait');

// `protocol` is that of socket.io; its version 5 rides on version 4 of engine.io, 4 on 3.
const CLIENTS = {
  'socket.io-client 4': { connect: io, protocol: 5 },
  'socket.io-client 4 with msgpack': { connect: io, protocol: 5, parser: msgpack },
  'socket.io-client 3': { connect: io3, protocol: 5 },
  'socket.io-client 2': { connect: io2, protocol: 4 },
};
const WAYS = {
  polling: ['polling'],
  WebSocket: ['websocket'],
  'polling, then WebSocket': ['polling', 'websocket'],
};

// All combinations: `{name, client, protocol, parser, way}`. `parser` is undefined for JSON.
const KINDS = Object.entries(CLIENTS).flatMap(([client, { protocol, parser }]) => Object.keys(WAYS).map((way) => ({
  name: `${client} over ${way}`, client, protocol, parser, way,
})));

// The names of what the server sends that is no answer to an ack, and how such packets look.
const PUSHES = {
  welcome: (packet) => typeof packet.welcome === 'string' && packet.context === 'api',
  response: (packet) => packet.context === 'response',
  say: (packet) => packet.context === 'user',
  alert: (packet) => packet.context === 'alert',
  api: (packet) => packet.context === 'api',
};

// A client that keeps `inbox`, the packets of its events, and `story`, what happened to its connection. It may still be
// connecting. Delays between attempts are short, so that tests are. Disconnected after the test.
function start(t, url, { client, way }, options = {}) {
  const { connect, parser } = CLIENTS[client];
  const delays = { reconnectionDelay: 20, reconnectionDelayMax: 100 };
  // A Manager of its own: the library shares one among sockets of the same URL.
  const own = { forceNew: true, ...(parser && { parser }) };
  const socket = connect(url, { transports: WAYS[way], ...delays, ...own, ...options });
  socket.inbox = new Inbox();
  socket.story = [];
  for (const [name, isRight] of Object.entries(PUSHES)) {
    socket.on(name, (...args) => {
      const [packet] = args;
      if (args.length !== 1 || !isRight(packet)) throw new Error(`the event ${name} came with ${JSON.stringify(args)}`);
      socket.inbox.push(packet);
    });
  }
  for (const name of ['connect', 'connect_error']) socket.on(name, () => socket.story.push(name));
  socket.on('disconnect', (reason) => socket.story.push(`disconnect: ${reason}`));
  socket.io.on('reconnect_attempt', () => socket.story.push('reconnect_attempt'));
  t.after(() => socket.disconnect());
  return socket;
}

// Waits until a client has moved to WebSocket if it is to.
async function moved(socket, { way }) {
  const last = WAYS[way].at(-1);
  const { engine } = socket.io;
  if (engine.transport.name !== last) await raised(engine, 'upgrade');
  if (engine.transport.name !== last) throw new Error(`it uses ${engine.transport.name}`);
}

// A client that is connected, over the last of its transports.
async function open(t, url, kind, options) {
  const socket = start(t, url, kind, options);
  await raised(socket, 'connect');
  await moved(socket, kind);
  return socket;
}

// Emits an event and gives what its ack was called with, which is one packet.
function ask(socket, name, ...args) {
  return limited(new Promise((resolve, reject) => {
    socket.emit(name, ...args, (...answer) => {
      if (answer.length === 1) resolve(answer[0]);
      else reject(new Error(`the ack of ${name} has ${answer.length} arguments`));
    });
  }), `the ack of ${name}`);
}

async function join(socket, room) {
  const answer = await ask(socket, 'roomAdd', { room });
  if (answer.status !== 'OK') throw new Error(`${room} was not joined: ${answer.status}`);
}

module.exports = { CLIENTS, KINDS, WAYS, start, moved, open, ask, join };
