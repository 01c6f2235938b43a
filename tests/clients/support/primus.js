'use strict';

// Clients of npm `primus`.

const Primus = require('primus');
const { Inbox } = require('./inbox');

const Socket = Primus.createSocket({ transformer: 'websockets', parser: 'json', pathname: '/primus' });

// Delays between attempts are short, so that tests are; the client doubles them as usual.
const RECONNECT = { min: 20, max: 100, retries: 1000 };

// A client that keeps `story`, its events in order, and `inbox`, its data. It is ended after the test.
function connect(t, url, options = {}) {
  const client = new Socket(url, { reconnect: RECONNECT, ...options });
  const { emit } = client;
  client.story = [];
  client.inbox = new Inbox();
  client.emit = function (event, ...args) {
    if (event === 'readyStateChange') client.story.push(`readyStateChange ${args[0]}`);
    else if (event !== 'newListener' && event !== 'removeListener') client.story.push(event);
    return emit.call(this, event, ...args);
  };
  // The client lives in a context of its own; a copy is of ours, so that deepEqual takes it.
  client.on('data', (packet) => client.inbox.push(structuredClone(packet)));
  client.on('error', () => {});
  t.after(() => client.destroy());
  return client;
}

// Forgets the story so far and returns it.
function told(client) {
  return client.story.splice(0);
}

let asked = 0;

// Sends a packet, gives its response.
function ask(client, packet) {
  const messageId = `ask-${++asked}`;
  client.write({ ...packet, messageId });
  return client.inbox.take((answer) => answer.messageId === messageId, `the answer to a ${packet.event}`);
}

module.exports = { connect, told, ask };
