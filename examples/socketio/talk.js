'use strict';

// Says one thing in a room, shows what the others say for a while, and leaves:
//
//     node talk.js hello [http://127.0.0.1:8080] [seconds]

const { io } = require('socket.io-client');

const [message = 'hello', url = 'http://127.0.0.1:8080', seconds = '30'] = process.argv.slice(2);
const room = 'defaultRoom';
const socket = io(url);

socket.on('say', (push) => console.log(`${push.from === socket.id ? 'I' : push.from}: ${JSON.stringify(push.message)}`));
socket.on('connect_error', (error) => console.error(error.message));
socket.on('connect', async () => {
  for (const [verb, packet] of [['roomAdd', { room }], ['say', { room, message }]]) {
    const answer = await socket.emitWithAck(verb, packet);
    console.log(`${verb}: ${answer.status}`);
  }
});

setTimeout(() => socket.disconnect(), Number(seconds) * 1000);
