'use strict';

// Clients of npm `primus`.

const Primus = require('primus');
const { Inbox } = require('./inbox');
const { until } = require('./wait');

const [WebSockets, EngineIo] = ['websockets', 'engine.io'].map((transformer) => (
  Primus.createSocket({ transformer, parser: 'json', pathname: '/primus' })
));

// Ways of the engine.io transformer, as options.
const WAYS = { polling: { websockets: false }, 'polling, then WebSocket': {} };

// Delays between attempts are short, so that tests are; the client doubles them as usual.
const RECONNECT = { min: 20, max: 100, retries: 1000 };

// A client that keeps `story`, its events in order, and `inbox`, its data. It is ended after the test.
function connect(t, url, options = {}, Socket = WebSockets) {
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

// The same with the engine.io transformer. `moved()` waits for the end of its way: an answer over the last transport.
function connectEngineIo(t, url, way, options = {}) {
  const client = connect(t, url, { ...WAYS[way], ...options }, EngineIo);
  const last = WAYS[way].websockets === false ? 'polling' : 'websocket';
  client.moved = async () => {
    await until(() => client.socket && client.socket.transport.name === last, `the client to use ${last}`);
    return ask(client, { event: 'detailsView' });
  };
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

module.exports = { WAYS, connect, connectEngineIo, told, ask };
