'use strict';

// npm `socket.io-client`, every version, over every transport: heartbeats, servers that come and go, ends for good, and
// doors that are closed.

const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');
const { Server, serve } = require('./support/server');
const { KINDS, start, open, ask, join } = require('./support/socketio');
const peer = require('./support/peer');
const { between } = require('./support/proxy');
const { raised, until } = require('./support/wait');

const count = (story, event) => story.filter((one) => one === event).length;
const isWelcome = ({ welcome }) => welcome !== undefined;

// They spend their time waiting, so they do it side by side.
describe('the heartbeat of socket.io clients', { concurrency: true }, () => {
  const INTERVAL = 300;
  const [patient, strict] = [60000, 15000].map((timeout) => (
    new Server(`[socketio]\nping_interval_ms = ${INTERVAL}\nping_timeout_ms = ${timeout}\n`)
  ));
  before(() => Promise.all([patient.start(), strict.start()]));
  after(() => [patient, strict].forEach((server) => server.kill()));

  for (const kind of KINDS) {
    it(`keeps a quiet ${kind.name} for five intervals`, async (t) => {
      const socket = await open(t, patient.url, kind);
      const before = await ask(socket, 'detailsView');
      const began = Date.now();
      for (let beat = 0; beat < 5; beat++) await raised(socket.io.engine, 'pong');
      assert.ok(Date.now() - began > 4 * INTERVAL, 'one per interval');
      const after = await ask(socket, 'detailsView');
      assert.deepEqual([after.data.id, after.messageCount], [before.data.id, 2]);
      assert.deepEqual(socket.story, ['connect']);
    });

    it(`ends a ${kind.name} that is cut off, which comes back by itself`, async (t) => {
      const proxy = await between(t, strict);
      // An attempt that arrives nowhere is given up after `timeout`.
      const socket = await open(t, proxy.url, kind, { timeout: 10000 });
      const before = await ask(socket, 'detailsView');
      await join(socket, 'lobby');
      const witness = await peer.open(t, `${strict.wsUrl}/ws`);
      await peer.ask(witness, { event: 'roomAdd', room: 'lobby' });
      const view = async () => (await peer.ask(witness, { event: 'roomView', room: 'lobby' })).data.members;
      proxy.freeze();
      // The GET that is held may still be answered; those that follow arrive nowhere.
      proxy.forward = () => {};
      await until(async () => !(await view())[before.data.id], 'the server to give up');
      delete proxy.forward;
      await until(() => count(socket.story, 'connect') >= 2 && socket.connected, 'the client to come back');
      assert.equal(count(socket.story, 'disconnect: io server disconnect'), 0, socket.story.join());
      assert.notEqual((await ask(socket, 'detailsView')).data.id, before.data.id);
    });
  }
});

for (const kind of KINDS) {
  describe(`${kind.name} that loses its server`, () => {
    for (const [how, signal, status, reason] of [
      ['a restarted server', 'SIGTERM', 0, /^transport close$/],
      ['a server that was killed', 'SIGKILL', 'SIGKILL', /^transport (close|error)$/],
    ]) {
      it(`comes back to ${how}`, async (t) => {
        const server = await serve(t);
        const socket = await open(t, server.url, kind);
        const before = await ask(socket, 'detailsView');
        await join(socket, 'lobby');
        await server.settle(); // a GET is held
        const lost = raised(socket, 'disconnect');
        assert.equal(await server.stop(signal), status);
        assert.match((await lost)[0], reason);
        // Kept until the connection is back.
        const joined = ask(socket, 'roomAdd', { room: 'random' });
        await until(() => count(socket.story, 'reconnect_attempt') >= 2, 'a second attempt');
        socket.inbox.unread.length = 0;
        const back = raised(socket, 'connect');
        await server.start();
        await back;
        assert.equal((await socket.inbox.take(isWelcome)).welcome, 'Hello human! Welcome to Stellar');
        assert.deepEqual([(await joined).data, (await joined).messageCount], [true, 1]);
        const after = await ask(socket, 'detailsView');
        assert.deepEqual(after.data.rooms, ['random'], 'a new connection is in no room');
        assert.notEqual(after.data.id, before.data.id);
        if (kind.protocol === 5) assert.equal(socket.id, after.data.id);
        await join(socket, 'lobby');
        await ask(socket, 'say', { room: 'lobby', message: 'here again' });
        assert.equal((await socket.inbox.said()).message, 'here again');
        assert.equal(await server.connections(), 1);
      });
    }

    it('gets what was on its way when it stops', async (t) => {
      const server = await serve(t);
      const socket = await open(t, server.url, kind);
      const slept = ask(socket, 'action', { params: { action: 'sleep', sleepDuration: 300 } });
      await server.settle(); // a GET is held
      const stopped = server.stop();
      assert.equal((await slept).sleepDuration, 300, 'running actions are finished');
      assert.equal(await stopped, 0);
    });

    it('does not come back where it was sent away for good', async (t) => {
      const server = await serve(t);
      const socket = await open(t, server.url, kind);
      const witness = await open(t, server.url, kind);
      const ended = raised(socket, 'disconnect');
      socket.emit('quit');
      assert.deepEqual((await ended)[0], 'io server disconnect');
      assert.equal((await ask(witness, 'detailsView')).status, 'OK');
      // Both could come back from here on; the witness does.
      const lost = raised(witness, 'disconnect');
      await server.stop('SIGKILL');
      await lost;
      const back = raised(witness, 'connect');
      await server.start();
      await back;
      await ask(witness, 'detailsView');
      assert.deepEqual(socket.story, ['connect', 'disconnect: io server disconnect']);
      assert.equal(await server.connections(), 1);
    });

    it('does not come back where all were sent away for good', async (t) => {
      const server = await serve(t, '[general]\ndestroy_clients_on_shutdown = true\n');
      const socket = await open(t, server.url, kind);
      await server.settle(); // a GET is held
      const ended = raised(socket, 'disconnect');
      assert.equal(await server.stop(), 0);
      assert.deepEqual((await ended)[0], 'io server disconnect');
      // It may connect when it is asked to.
      await server.start();
      const back = raised(socket, 'connect');
      socket.connect();
      await back;
      assert.deepEqual(socket.story, ['connect', 'disconnect: io server disconnect', 'connect']);
    });
  });
}

describe('the door of socket.io clients', () => {
  it('is open on its own, with every transport', async (t) => {
    const server = await serve(t, '', 'socketio');
    for (const kind of KINDS) {
      const socket = await open(t, server.url, kind);
      assert.equal((await ask(socket, 'detailsView')).status, 'OK', kind.name);
    }
    assert.equal(await server.metric('stellar_connections', '{transport="socketio"}'), KINDS.length);
    for (const closed of ['/primus/?EIO=4&transport=polling', '/engine.io/?EIO=4&transport=polling', '/ws']) {
      const answer = await fetch(server.url + closed);
      assert.equal(answer.status, 400, closed);
      assert.match((await answer.json()).error, /not open.*; open: socketio \(\/socket\.io\)$/);
    }
  });

  it('is open by default, next to the others', async (t) => {
    const server = await serve(t);
    const socket = await open(t, server.url, KINDS[0]);
    assert.equal((await ask(socket, 'detailsView')).status, 'OK');
    assert.equal(await server.metric('stellar_connections', '{transport="socketio"}'), 1);
  });

  it('says what is open when it is closed', async (t) => {
    const server = await serve(t, '', 'ws,polling');
    for (const kind of KINDS) {
      const socket = start(t, server.url, kind, { reconnection: false });
      await raised(socket, 'connect_error');
      assert.deepEqual(socket.story, ['connect_error'], kind.name);
    }
    const answer = await fetch(`${server.url}/socket.io/?EIO=4&transport=polling`);
    assert.equal(answer.status, 400);
    assert.match((await answer.json()).error, /`socketio` is not open.*; open: ws .*; polling /);
  });
});
