'use strict';

// Doors at places of one's own, and socket.io's client where its pages expect it.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');
const vm = require('node:vm');
const { Socket: EngineIo } = require('engine.io-client');
const Primus = require('primus');
const { io } = require('socket.io-client');
const WebSocket = require('ws');
const { Inbox } = require('./support/inbox');
const primus = require('./support/primus');
const { Server } = require('./support/server');
const stellar = require('./support/stellar');
const { until } = require('./support/wait');

const DIST = path.join(path.dirname(require.resolve('socket.io-client/package.json')), 'dist');

describe('doors at places of their own', () => {
  const server = new Server(`
    [doors]
    primus = "/live/primus"
    ws = "/live/ws"
    engineio = "/live/eio"
    socketio = "/live/sio"
  `);
  before(() => server.start());
  after(() => server.kill());

  for (const transformer of ['websockets', 'engine.io']) {
    it(`take Primus clients of the transformer ${transformer}`, async (t) => {
      const Socket = Primus.createSocket({ transformer, parser: 'json', pathname: '/live/primus' });
      const client = primus.connect(t, server.url, {}, Socket);
      const answer = await primus.ask(client, { event: 'roomAdd', room: 'defaultRoom' });
      assert.equal(answer.status, 'OK');
    });
  }

  it('are known to the client library of Primus\'s kind', async (t) => {
    const script = await (await fetch(`${server.url}/live/primus/primus.js`)).text();
    const module = { exports: {}, require };
    new Function('module', 'exports', 'require', script)(module, module.exports, require);
    const client = primus.connect(t, server.url, {}, module.exports);
    const answer = await primus.ask(client, { event: 'roomAdd', room: 'defaultRoom' });
    assert.equal(answer.status, 'OK');
    const spec = await (await fetch(`${server.url}/live/primus/spec`)).json();
    assert.equal(spec.pathname, '/live/primus');
  });

  for (const transport of ['ws', 'polling', 'socketio']) {
    it(`are known to the generated client over ${transport}`, async (t) => {
      const options = { XMLHttpRequest: stellar.requester(t) };
      const client = await stellar.make(t, server, options, stellar.load(server, transport));
      await client.connect();
      const { formatted } = await client.action('formattedSum', { a: 3, b: 4 });
      assert.equal(formatted, '3 + 4 = 7');
    });
  }

  it('take engine.io clients', async (t) => {
    const client = new EngineIo(server.url, { path: '/live/eio' });
    t.after(() => client.close());
    const inbox = new Inbox();
    client.on('message', (packet) => inbox.push(JSON.parse(packet)));
    client.on('open', () => client.send(JSON.stringify({ event: 'detailsView' })));
    await inbox.take((packet) => packet.data && packet.data.id, 'the details');
    await until(() => client.transport.name === 'websocket', 'the upgrade');
  });

  it('take socket.io clients', async (t) => {
    const client = io(server.url, { path: '/live/sio', forceNew: true });
    t.after(() => client.close());
    const answer = await client.timeout(10000).emitWithAck('roomAdd', { room: 'defaultRoom' });
    assert.equal(answer.status, 'OK');
  });

  it('take plain WebSocket clients', async (t) => {
    const client = new WebSocket(`${server.wsUrl}/live/ws`);
    t.after(() => client.terminate());
    const inbox = new Inbox();
    client.on('message', (packet) => inbox.push(JSON.parse(packet)));
    client.on('open', () => client.send(JSON.stringify({ event: 'detailsView' })));
    await inbox.take((packet) => packet.data && packet.data.id, 'the details');
  });

  it('leave nothing where they were', async () => {
    for (const old of ['/primus', '/primus/spec', '/primus/primus.js', '/ws', '/engine.io/?EIO=4', '/socket.io/?EIO=4']) {
      assert.equal((await fetch(server.url + old)).status, 404, old);
    }
  });
});

describe('socket.io\'s client', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'stellar-dist-'));
  // As package managers link what they install.
  const link = path.join(folder, 'dist');
  fs.symlinkSync(DIST, link);
  const server = new Server(`[socketio]\nclient_dir = ${JSON.stringify(link)}\n`);
  before(() => server.start());
  after(async () => {
    await server.kill();
    fs.rmSync(folder, { recursive: true });
  });

  const get = (name) => fetch(`${server.url}/socket.io/${name}`);

  for (const [name, type] of [
    ['socket.io.js', 'text/javascript'],
    ['socket.io.min.js', 'text/javascript'],
    ['socket.io.msgpack.min.js', 'text/javascript'],
    ['socket.io.esm.min.js', 'text/javascript'],
    ['socket.io.js.map', 'application/json'],
    ['socket.io.min.js.map', 'application/json'],
    ['socket.io.esm.min.js.map', 'application/json'],
  ]) {
    it(`is served from the npm package: ${name}`, async () => {
      const answer = await get(name);
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get('content-type').split(';')[0], type);
      assert.equal(answer.headers.get('access-control-allow-origin'), '*');
      assert.deepEqual(Buffer.from(await answer.arrayBuffer()), fs.readFileSync(path.join(DIST, name)));
    });
  }

  it('connects to the server that it came from', async (t) => {
    const script = await (await get('socket.io.min.js')).text();
    const context = vm.createContext({ WebSocket, URL, setTimeout, clearTimeout, console });
    context.self = context;
    vm.runInContext(script, context);
    const client = context.io(server.url, { transports: ['websocket'] });
    t.after(() => client.close());
    const answer = await client.timeout(10000).emitWithAck('roomAdd', { room: 'defaultRoom' });
    assert.equal(answer.status, 'OK');
  });
});

describe('socket.io\'s client that nobody has installed', () => {
  const server = new Server();
  before(() => server.start());
  after(() => server.kill());

  it('is a 404 whose script says where to get it', async () => {
    const answer = await fetch(`${server.url}/socket.io/socket.io.js`);
    assert.equal(answer.status, 404);
    assert.match(answer.headers.get('content-type'), /^text\/javascript/);
    const said = [];
    vm.runInNewContext(await answer.text(), { console: { error: (text) => said.push(text) } });
    assert.equal(said.length, 1);
    assert.match(said[0], /client_dir = "node_modules\/socket\.io-client\/dist"/);
  });
});
