'use strict';

// The served client script: what it tells of an ending.

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');
const { serve } = require('./support/server');
const { load, make, requester } = require('./support/stellar');
const { raised } = require('./support/wait');

const WAYS = [['ws', 'ws'], ['polling', 'polling'], ['socketio', 'socketio'], ['socketio-polling', 'socketio']];
const isSocket = (name) => !name.includes('polling');

// What ends a connection, and what is told of it over each transport.
const ENDINGS = {
  'a restart': {
    end: (server) => server.stop('SIGTERM'),
    told: (name) => (isSocket(name) ? [1001, 'going_away', true] : [1005, 'peer_closed', true]),
  },
  'a crash': { end: (server) => server.stop('SIGKILL'), told: () => [1006, 'peer_gone', true] },
  'a server that sends its clients away': {
    config: '[general]\ndestroy_clients_on_shutdown = true\n',
    end: (server) => server.stop('SIGTERM'),
    told: () => [1000, 'ended', false],
  },
  quit: { end: (server, client) => client.send({ event: 'quit' }, () => {}), told: () => [1000, 'ended', false] },
  disconnect: { end: (server, client) => client.disconnect(), told: () => [1000, 'disconnected', false] },
  'another connect': { end: (server, client) => client.connect(() => {}), told: () => [1000, 'replaced', true] },
};

describe('disconnected tells why', () => {
  for (const [name, transport] of WAYS) {
    for (const [what, { config, end, told }] of Object.entries(ENDINGS)) {
      it(`after ${what}, over ${name}`, async (t) => {
        const server = await serve(t, config);
        const client = await make(t, server, { transports: [name], XMLHttpRequest: requester(t) }, load(server, transport));
        await client.connect();
        const disconnected = raised(client, 'disconnected');
        end(server, client);
        const [{ reason, ...why }] = await disconnected;
        const [code, label, reconnect] = told(name);
        assert.deepEqual(why, { code, label, reconnect });
        assert.equal(typeof reason, 'string');
        client.disconnect();
      });
    }
  }
});
