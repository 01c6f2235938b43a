'use strict';

// The ways of npm clients to a server on the Rust API, and the events of their openings and losses, in the order of
// Primus 8.0.9.

const { npmClient } = require('./primus-api');
const { connect } = require('./primus');
const { until } = require('./wait');

const WAYS = {
  websockets: { transformer: 'websockets', transport: 'ws', options: {} },
  'engine.io': { transformer: 'engine.io', transport: 'websocket', options: {} },
  'engine.io without WebSocket': { transformer: 'engine.io', transport: 'polling', options: { websockets: false } },
};

const OPENING = ['outgoing::open', 'readyStateChange opening', 'outgoing::end', 'outgoing::url'];
const ATTEMPT = ['outgoing::reconnect', ...OPENING, 'reconnect'];
const CLOSING = ['incoming::end', 'readyStateChange end', 'close'];
const FAILURE = ['incoming::error', 'reconnect scheduled', 'incoming::end', 'readyStateChange end'];
const LAST_FAILURE = ['incoming::error', 'end', 'reconnect failed', 'incoming::end', 'readyStateChange end'];
const RETURN = ['incoming::open', 'reconnected', 'readyStateChange open'];
const LEAVING = ['outgoing::end', 'end'];

// What a client says of a server that is gone without a word: a GET that fails is an error, a lost WebSocket is none.
function lossOver(way) {
  return WAYS[way].transport === 'polling' ? ['incoming::error', 'error', ...CLOSING] : CLOSING;
}

// A client that goes this way. `settled()` waits until it has been answered over the transport that it stays with.
function client(t, url, way, options = {}, parser = 'json') {
  const { transformer, transport, options: own } = WAYS[way];
  const Socket = npmClient(transformer, parser);
  const ann = connect(t, url, { ...own, ...options }, Socket);
  ann.settled = async () => {
    await until(() => ann.readyState === Socket.OPEN, 'the client to be open');
    if (transport === 'websocket') await until(() => ann.socket.transport.name === transport, 'the upgrade');
    ann.write('settled');
    await ann.inbox.take((value) => value === 'settled', 'an answer');
    return ann;
  };
  return ann;
}

// What the server knows of the connection that asks.
async function who(ann) {
  ann.write({ do: 'who' });
  return ann.inbox.take((value) => value && value.transport && value.id, 'who it is');
}

// How many connections the server has.
async function connected(ann) {
  ann.write({ do: 'connected' });
  return ann.inbox.take((value) => typeof value === 'number', 'the number of connections');
}

// Waits until the server has that many connections.
function untilConnected(ann, count) {
  return until(async () => await connected(ann) === count, `${count} connections`);
}

module.exports = {
  WAYS, OPENING, ATTEMPT, CLOSING, FAILURE, LAST_FAILURE, RETURN, LEAVING, lossOver, client, who, untilConnected,
};
