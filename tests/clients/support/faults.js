'use strict';

// Proxies that get in the way, as those of companies, hotels and phones do.

const http = require('node:http');
const net = require('node:net');
const { Proxy } = require('./proxy');

// Answers every upgrade itself.
function refusing(status) {
  return (proxy) => {
    proxy.tunnel = (request, client) => {
      proxy.upgrades.push({ url: request.url, headers: request.headers });
      client.end(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    };
  };
}

// The server is asked for the upgrade and grants it, and the client never learns of it.
function holding(proxy) {
  proxy.relay = (client, upstream) => {
    client.resume();
    upstream.resume();
  };
}

// Both sides believe that the WebSocket is open. Nothing gets through.
function swallowing(proxy) {
  proxy.relay = (client, upstream) => {
    let head = '';
    client.resume();
    upstream.on('data', (bytes) => {
      if (head.includes('\r\n\r\n')) return;
      head += bytes.toString('latin1');
      const end = head.indexOf('\r\n\r\n') + 4;
      if (end >= 4) client.write(Buffer.from(head.slice(0, end), 'latin1'));
    });
  };
}

// Asks the server for the whole answer to a request without upgrade.
async function fetched(proxy, { method, url, headers }, body, socket) {
  const { upgrade, ...others } = headers;
  const asked = { ...others, connection: 'close' };
  const onward = http.request(proxy.server.url + url, { method, headers: asked, agent: false });
  socket.on('close', () => onward.destroy());
  const answer = await new Promise((resolve, reject) => {
    onward.on('response', resolve);
    onward.on('error', reject);
    onward.end(body);
  });
  return { answer, text: Buffer.concat(await answer.toArray()) };
}

// What to do with each request, also with one that asks for an upgrade: to such a proxy `Upgrade` means nothing.
function answering(proxy, answer) {
  proxy.forward = async (request) => {
    const body = Buffer.concat(await request.toArray());
    proxy.requests.push({ method: request.method, url: request.url, headers: request.headers });
    await answer(request, body, request.socket).catch(() => request.socket.destroy());
  };
  proxy.tunnel = (request, socket) => {
    proxy.upgrades.push({ url: request.url, headers: request.headers });
    answer(request, Buffer.alloc(0), socket).catch(() => socket.destroy());
  };
}

function write(socket, version, { answer, text }) {
  const { 'transfer-encoding': chunked, connection, 'keep-alive': timeout, ...headers } = answer.headers;
  const lines = [`HTTP/${version} ${answer.statusCode} ${answer.statusMessage}`, 'Connection: close'];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  socket.end(text);
}

// Passes nothing on before it has all of it, in both directions.
function buffering(proxy) {
  answering(proxy, async (request, body, socket) => {
    write(socket, '1.1', await fetched(proxy, request, body, socket));
  });
}

// Speaks HTTP/1.0 to both sides: the end of an answer is the end of its connection.
function ancient(proxy) {
  answering(proxy, async (request, body, socket) => {
    const upstream = proxy.dial();
    const { upgrade, connection, 'keep-alive': timeout, ...headers } = request.headers;
    const lines = [`${request.method} ${request.url} HTTP/1.0`];
    for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
    upstream.write(`${lines.join('\r\n')}\r\n\r\n`);
    upstream.write(body);
    socket.on('close', () => upstream.destroy());
    const [head, ...rest] = Buffer.concat(await upstream.toArray()).toString('latin1').split('\r\n\r\n');
    const kept = head.split('\r\n').slice(1).filter((line) => !/^(content-length|connection|keep-alive):/i.test(line));
    const text = [`HTTP/1.0 ${head.slice('HTTP/1.x '.length, head.indexOf('\r\n'))}`, ...kept].join('\r\n');
    socket.end(Buffer.from([text, ...rest].join('\r\n\r\n'), 'latin1'));
  });
}

// Preflights fail.
function withoutOptions(proxy) {
  proxy.forward = (request, response) => {
    if (request.method === 'OPTIONS') {
      proxy.requests.push({ method: 'OPTIONS', url: request.url, headers: request.headers });
      request.socket.destroy();
    } else {
      Proxy.prototype.forward.call(proxy, request, response);
    }
  };
}

async function faulty(scope, server, fault) {
  const proxy = new Proxy(server);
  fault(proxy);
  // From now on it does what it should; what it holds, it goes on holding.
  proxy.heal = () => {
    for (const name of ['forward', 'tunnel', 'relay']) delete proxy[name];
  };
  scope.after(() => proxy.stop());
  return proxy.start();
}

// A proxy below HTTP: passes bytes on `latency` ms late, and closes connections that were quiet for `idle` ms.
class Wire {
  constructor(server, { latency = 0, idle = 0 }) {
    Object.assign(this, { latency, idle, cuts: 0, sockets: new Set() });
    this.listener = net.createServer((client) => {
      const { hostname, port } = new URL(server.url);
      this.join(client, net.connect({ host: hostname, port }));
    });
  }

  join(...ends) {
    let timer;
    const end = () => {
      clearTimeout(timer);
      for (const socket of ends) {
        this.sockets.delete(socket);
        socket.destroy();
      }
    };
    const stir = () => {
      clearTimeout(timer);
      if (this.idle) timer = setTimeout(() => { this.cuts++; end(); }, this.idle);
    };
    stir();
    ends.forEach((socket, index) => {
      const other = ends[1 - index];
      this.sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', end);
      socket.on('data', (bytes) => {
        stir();
        setTimeout(() => other.write(bytes), this.latency);
      });
      // An end must not overtake the bytes before it.
      socket.on('close', () => setTimeout(end, this.latency));
    });
  }

  async start() {
    await new Promise((resolve) => this.listener.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${this.listener.address().port}`;
    return this;
  }

  stop() {
    for (const socket of this.sockets) socket.destroy();
    return new Promise((resolve) => this.listener.close(resolve));
  }
}

async function wire(scope, server, options) {
  const proxy = new Wire(server, options);
  scope.after(() => proxy.stop());
  return proxy.start();
}

const FAULTS = {
  'refuses upgrades with 400': refusing('400 Bad Request'),
  'refuses upgrades with 502': refusing('502 Bad Gateway'),
  'never relays the 101': holding,
  'relays the 101 and swallows all frames': swallowing,
  'buffers whole requests and answers': buffering,
  'speaks HTTP/1.0': ancient,
};

module.exports = { FAULTS, faulty, wire, withoutOptions };
