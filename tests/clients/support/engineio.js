'use strict';

// Clients of npm `engine.io-client`: 6, which speaks version 4 of the protocol, and 3.5, which speaks version 3.

const { Socket } = require('engine.io-client');
const Socket3 = require('engine.io-client-3');
const { Inbox } = require('./inbox');
const { limited, raised } = require('./wait');

const CLIENTS = { 'engine.io-client 6': Socket, 'engine.io-client 3.5': Socket3 };
const DOORS = ['/engine.io/', '/primus/'];
const WAYS = {
  polling: ['polling'],
  WebSocket: ['websocket'],
  'polling, then WebSocket': ['polling', 'websocket'],
};

// All combinations: `{name, client, door, way}`.
const KINDS = Object.keys(CLIENTS).flatMap((client) => DOORS.flatMap((door) => Object.keys(WAYS).map((way) => ({
  name: `${client} on ${door} over ${way}`, client, door, way,
}))));

// A client that keeps `inbox`, the JSON of its messages, and `story`, what happened to it. `ended` resolves with the
// reason of its close. It may still be opening.
function start(t, url, { client, door, way }, options = {}) {
  const socket = new CLIENTS[client](url, { path: door, transports: WAYS[way], ...options });
  socket.inbox = new Inbox();
  socket.story = [];
  socket.sent = 0;
  socket.on('message', (message) => {
    const packet = JSON.parse(message);
    // What a Primus client does. It is not counted.
    if (/^primus::ping::/.test(packet)) socket.send(JSON.stringify(packet.replace('ping', 'pong')));
    else socket.inbox.push(packet);
  });
  for (const event of ['open', 'upgrade', 'upgradeError', 'error', 'close']) {
    socket.on(event, () => socket.story.push(event));
  }
  const closing = new Promise((resolve) => socket.on('close', resolve));
  // Asked for when a test waits for it, so that the limit counts from there.
  Object.defineProperty(socket, 'ended', { get: () => limited(closing, 'the close') });
  t.after(() => socket.close());
  return socket;
}

// A client that is open, and has moved to WebSocket if it is to.
async function open(t, url, kind) {
  const socket = start(t, url, kind);
  await raised(socket, WAYS[kind.way].length > 1 ? 'upgrade' : 'open');
  return socket;
}

function tell(socket, packet) {
  socket.send(JSON.stringify(packet));
  return ++socket.sent;
}

// Sends a packet, gives its response, matched by number.
function ask(socket, packet) {
  return socket.inbox.response(tell(socket, packet));
}

async function join(socket, room) {
  const answer = await ask(socket, { event: 'roomAdd', room });
  if (answer.status !== 'OK') throw new Error(`${room} was not joined: ${answer.status}`);
}

module.exports = { CLIENTS, DOORS, KINDS, start, open, tell, ask, join };
