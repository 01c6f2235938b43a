'use strict';

// The peer on npm `ws`: a broadcast is stringified once and the text sent to
// each member. Dead connections are found the way the README of `ws` shows.

const { randomUUID } = require('node:crypto');
const http = require('node:http');
const { WebSocket, WebSocketServer } = require('ws');
const { WELCOME, createConnection, answer, leaveAll, announce } = require('./packets');

const HEARTBEAT_MS = 30_000;

const server = http.createServer((request, response) => {
  response.writeHead(404).end();
});
const wss = new WebSocketServer({ server, path: '/primus' });

function markAlive() {
  this.isAlive = true;
}

function broadcast(room, push) {
  const text = JSON.stringify(push);
  for (const member of room) {
    if (member.readyState === WebSocket.OPEN) member.send(text);
  }
}

wss.on('connection', (socket, request) => {
  const { remoteAddress, remotePort } = request.socket;
  const connection = createConnection(randomUUID(), remoteAddress, remotePort);
  const reply = (packet) => socket.send(JSON.stringify(packet));

  socket.isAlive = true;
  socket.on('pong', markAlive);
  socket.on('error', console.error);
  socket.on('message', (data) => {
    const packet = JSON.parse(data);
    answer(packet.event, packet, connection, socket, reply, broadcast);
  });
  socket.on('close', () => leaveAll(connection, socket));

  reply(WELCOME);
});

setInterval(() => {
  for (const socket of wss.clients) {
    if (!socket.isAlive) {
      socket.terminate();
      continue;
    }
    socket.isAlive = false;
    socket.ping();
  }
}, HEARTBEAT_MS);

announce(server);
