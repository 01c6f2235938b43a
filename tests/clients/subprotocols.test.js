'use strict';

// npm clients that offer WebSocket sub-protocols: without an answer their own WebSocket hangs up, and those that begin by
// polling never get further.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { after, before, describe, it } = require('node:test');
const WebSocket = require('ws');
const { Server } = require('./support/server');
const engineio = require('./support/engineio');
const { connect } = require('./support/primus');
const { example, npmClient } = require('./support/primus-api');
const socketio = require('./support/socketio');
const { limited, raised, until } = require('./support/wait');

const OFFERED = ['json', 'msgpack'];
// The older clients want it for each transport.
const OPTIONS = { protocols: OFFERED, transportOptions: { websocket: { protocols: OFFERED } } };
const TOKEN = 'stellar.bearer.eyJhbGciOiJIUzI1NiJ9.e30.hush';

// What `ws` agrees on at this URL; or the status of a refusal.
async function agreed(t, url, protocols) {
  const socket = new WebSocket(url, protocols);
  t.after(() => socket.terminate());
  socket.on('unexpected-response', (request, answer) => socket.emit('error', new Error(`status ${answer.statusCode}`)));
  await limited(once(socket, 'open'), 'the event open');
  return socket.protocol;
}

describe('sub-protocols', () => {
  const server = new Server();
  const choosy = new Server('[access]\nsubprotocols = ["chat.v2", "chat.v1"]\n');
  before(() => Promise.all([server.start(), choosy.start()]));
  after(() => Promise.all([server.kill(), choosy.kill()]));

  const doors = [
    '/ws', '/primus', '/engine.io/?EIO=4&transport=websocket', '/engine.io/?EIO=3&transport=websocket',
    '/primus/?EIO=4&transport=websocket', '/socket.io/?EIO=4&transport=websocket',
  ];
  for (const door of doors) {
    it(`of ws are answered with the first on ${door}`, async (t) => {
      const url = server.wsUrl + door;
      assert.equal(await agreed(t, url, OFFERED), 'json');
      assert.equal(await agreed(t, url, 'json'), 'json');
      assert.equal(await agreed(t, url, []), '');
      assert.equal(await agreed(t, url, [TOKEN, 'stellar']), 'stellar', 'and not with the token');
      await assert.rejects(agreed(t, url, [TOKEN]), /sent no subprotocol/i);
    });

    it(`of ws are chosen from a list on ${door}`, async (t) => {
      const url = choosy.wsUrl + door;
      assert.equal(await agreed(t, url, ['json', 'chat.v1', 'chat.v2']), 'chat.v1');
      await assert.rejects(agreed(t, url, ['json']), /sent no subprotocol/i);
    });
  }

  for (const kind of engineio.KINDS.filter(({ way }) => way !== 'polling')) {
    it(`of ${kind.name} do not keep it from its WebSocket`, async (t) => {
      const socket = engineio.start(t, server.url, kind, OPTIONS);
      await raised(socket, 'open');
      await until(() => socket.transport.name === 'websocket', 'the WebSocket');
      assert.equal((await engineio.ask(socket, { event: 'detailsView' })).status, 'OK');
      assert.equal(socket.transport.ws.protocol, 'json');
    });
  }

  for (const kind of socketio.KINDS.filter(({ way }) => way !== 'polling')) {
    it(`of ${kind.name} do not keep it from its WebSocket`, async (t) => {
      const socket = socketio.start(t, server.url, kind, OPTIONS);
      await raised(socket, 'connect');
      await until(() => socket.io.engine.transport.name === 'websocket', 'the WebSocket');
      assert.equal(socket.io.engine.transport.ws.protocol, 'json');
    });
  }

  it('of a Primus client over engine.io do not keep it from its WebSocket', async (t) => {
    const own = await example(t, '--ping-interval', '0');
    const Socket = npmClient('engine.io', 'json');
    const ann = connect(t, own.url, { transport: { protocols: OFFERED } }, Socket);
    await until(() => ann.readyState === Socket.OPEN && ann.socket.transport.name === 'websocket', 'the WebSocket');
    assert.equal(ann.socket.transport.ws.protocol, 'json');
  });

  it('are answered by a server on the Primus API', async (t) => {
    const own = await example(t, '--ping-interval', '0');
    for (const path of ['', '/?EIO=4&transport=websocket']) {
      const url = own.url.replace('http', 'ws') + own.pathname + path;
      assert.equal(await agreed(t, url, OFFERED), 'json');
      assert.equal(await agreed(t, url, [TOKEN, 'stellar']), 'stellar');
    }
  });
});
