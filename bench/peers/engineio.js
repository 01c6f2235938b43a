'use strict';

// The peer on npm `engine.io`, all options as they come: a broadcast is
// stringified once and the text sent to each member.

const http = require('node:http');
const { Server } = require('engine.io');
const { WELCOME, createConnection, answer, leaveAll, announce } = require('./packets');

const server = http.createServer();
const engine = new Server();
engine.attach(server);

function broadcast(room, push) {
  const text = JSON.stringify(push);
  for (const member of room) {
    if (member.readyState === 'open') member.send(text);
  }
}

engine.on('connection', (socket) => {
  const { remoteAddress, remotePort } = socket.request.socket;
  const connection = createConnection(socket.id, remoteAddress, remotePort);
  const reply = (packet) => socket.send(JSON.stringify(packet));

  socket.on('message', (text) => {
    const packet = JSON.parse(text);
    answer(packet.event, packet, connection, socket, reply, broadcast);
  });
  socket.on('close', () => leaveAll(connection, socket));

  reply(WELCOME);
});

announce(server);
