'use strict';

// As much of XMLHttpRequest as the client uses, for Node: it has none of its own.

const http = require('node:http');

// A constructor with connections and a record of its own: `requests` holds `{method, url, body, status}`
// in the order of sending, `close()` ends the idle connections.
function requester() {
  const agent = new http.Agent({ keepAlive: true });

  class Request {
    constructor() {
      this.readyState = 0;
      this.status = 0;
      this.statusText = '';
      this.responseText = '';
      this.headers = {};
    }

    open(method, url) {
      Object.assign(this, { method, url: new URL(url), readyState: 1 });
    }

    setRequestHeader(name, value) {
      this.headers[name] = value;
    }

    send(body) {
      const record = { method: this.method, url: this.url.pathname + this.url.search, body, status: 0 };
      Request.requests.push(record);
      const headers = { ...this.headers };
      if (body !== undefined) headers['Content-Length'] = Buffer.byteLength(body);
      this.sent = http.request(this.url, { method: this.method, headers, agent }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk) => { text += chunk; });
        response.on('error', () => this.end(0, '', ''));
        response.on('end', () => {
          record.status = response.statusCode;
          this.end(response.statusCode, response.statusMessage, text);
        });
      });
      this.sent.on('error', () => this.end(0, '', ''));
      this.sent.end(body);
    }

    end(status, statusText, responseText) {
      if (this.readyState === 4) return;
      Object.assign(this, { readyState: 4, status, statusText, responseText });
      this.onreadystatechange();
    }

    abort() {
      if (this.sent) this.sent.destroy();
      this.end(0, '', '');
    }
  }

  Request.requests = [];
  Request.close = () => agent.destroy();
  return Request;
}

module.exports = { requester };
