'use strict';

// Stands between a client and a server: writes down what passes, and breaks connections as networks do.

const http = require('node:http');
const net = require('node:net');

class Proxy {
  constructor(server) {
    this.server = server;
    this.requests = []; // HTTP requests: {method, url, headers, body}
    this.upgrades = []; // handshakes: {url, headers}
    this.tunnels = new Set();
    this.takesUpgrades = true;
    this.http = http.createServer((request, response) => this.forward(request, response));
    this.http.on('upgrade', (request, socket, head) => this.tunnel(request, socket, head));
  }

  async start() {
    await new Promise((resolve) => this.http.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${this.http.address().port}`;
    return this;
  }

  async forward(request, response) {
    const { method, url, headers } = request;
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    this.requests.push({ method, url, headers, body: body.toString() });
    const onward = http.request(this.server.url + url, { method, headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    // Who is not waited for any more is let go: a held GET whose client has gone must end at the server, too.
    response.on('close', () => onward.destroy());
    onward.end(body);
  }

  tunnel(request, client, head) {
    const { url, headers, rawHeaders } = request;
    if (!this.takesUpgrades) {
      client.destroy();
      return;
    }
    this.upgrades.push({ url, headers });
    const upstream = this.dial();
    const tunnel = { client, upstream, isFrozen: false };
    const end = () => {
      if (tunnel.isFrozen) return;
      this.tunnels.delete(tunnel);
      client.destroy();
      upstream.destroy();
    };
    this.tunnels.add(tunnel);
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true);
      socket.on('error', end);
      socket.on('close', end);
    }
    const lines = [`GET ${url} HTTP/1.1`];
    for (let i = 0; i < rawHeaders.length; i += 2) lines.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`);
    upstream.write(`${lines.join('\r\n')}\r\n\r\n`);
    upstream.write(head);
    this.relay(client, upstream);
  }

  relay(client, upstream) {
    client.pipe(upstream);
    upstream.pipe(client);
  }

  dial() {
    const { hostname, port } = new URL(this.server.url);
    return net.connect({ host: hostname, port });
  }

  // Breaks what is open, without a closing handshake.
  cut() {
    for (const { client, upstream } of this.tunnels) {
      client.destroy();
      upstream.destroy();
    }
  }

  // Lets nothing through any more of what is open, not even that one side has closed: a network that is gone.
  freeze() {
    for (const tunnel of this.tunnels) {
      const { client, upstream } = tunnel;
      tunnel.isFrozen = true;
      client.unpipe(upstream);
      upstream.unpipe(client);
      client.resume();
      upstream.resume();
    }
  }

  stop() {
    this.cut();
    this.http.closeAllConnections();
    return new Promise((resolve) => this.http.close(resolve));
  }
}

async function between(scope, server) {
  const proxy = new Proxy(server);
  scope.after(() => proxy.stop());
  return proxy.start();
}

module.exports = { Proxy, between };
