'use strict';

// The peer on npm `socket.io`, all options as they come: verbs are events,
// answers go through acks, and the rooms are those of socket.io.

const http = require('node:http');
const { Server } = require('socket.io');
const { WELCOME, rooms, createConnection, answer, announce } = require('./packets');

const server = http.createServer();
const io = new Server(server);

class Room {
  constructor(name) {
    this.name = name;
  }

  add(socket) {
    socket.join(this.name);
  }

  has(socket) {
    return socket.rooms.has(this.name);
  }
}

for (const name of rooms.keys()) rooms.set(name, new Room(name));

function broadcast(room, push) {
  io.to(room.name).emit('say', push);
}

io.on('connection', (socket) => {
  const { remoteAddress, remotePort } = socket.request.socket;
  const connection = createConnection(socket.id, remoteAddress, remotePort);
  const respond = (verb, packet, ack) => {
    answer(verb, packet, connection, socket, ack, broadcast);
  };

  socket.on('detailsView', (ack) => respond('detailsView', {}, ack));
  socket.on('roomAdd', (packet, ack) => respond('roomAdd', packet, ack));
  socket.on('say', (packet, ack) => respond('say', packet, ack));

  socket.emit('welcome', WELCOME);
});

announce(server);
