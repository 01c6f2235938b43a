'use strict';

// Raw WebSocket peers, on npm `ws`.

const WebSocket = require('ws');
const { Inbox } = require('./inbox');
const { limited } = require('./wait');

// Opens a socket that keeps `inbox`, the JSON of its text frames, and `raw`, their text. `closed` resolves with the
// code and reason that the server gave.
async function open(t, url, options = {}) {
  const socket = new WebSocket(url, options);
  socket.inbox = new Inbox();
  socket.raw = [];
  socket.on('message', (data, isBinary) => {
    if (isBinary) throw new Error('the server sent a binary frame');
    socket.raw.push(data.toString());
    socket.inbox.push(JSON.parse(data));
  });
  const closing = new Promise((resolve) => {
    socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  // Asked for when a test waits for it, so that the limit counts from there.
  Object.defineProperty(socket, 'closed', { get: () => limited(closing, 'the close') });
  t.after(() => socket.terminate());
  await limited(new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  }), 'the socket to open');
  socket.sent = 0;
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

module.exports = { open, tell, ask };
