'use strict';

// A server on npm `ws` that says what a test tells it to: for packets that the demo has no reason to send.

const { WebSocketServer } = require('ws');

async function scripted(t) {
  const sockets = new WebSocketServer({ host: '127.0.0.1', port: 0, path: '/primus' });
  t.after(() => {
    for (const socket of sockets.clients) socket.terminate();
    sockets.close();
  });
  sockets.on('connection', (socket) => {
    let messageCount = 0;
    socket.on('message', () => {
      const data = { id: 'scripted', fingerprint: null, rooms: [], totalActions: 0 };
      socket.send(JSON.stringify({ status: 'OK', context: 'response', messageCount: ++messageCount, data }));
    });
  });
  await new Promise((resolve) => sockets.once('listening', resolve));
  return {
    url: `http://127.0.0.1:${sockets.address().port}`,
    push(packet) {
      for (const socket of sockets.clients) socket.send(JSON.stringify(packet));
    },
  };
}

module.exports = { scripted };
