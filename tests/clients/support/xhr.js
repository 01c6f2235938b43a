'use strict';

// As much of a browser's XMLHttpRequest as the client uses, on Node's HTTP.

const http = require('node:http');

class Xhr {
  constructor() {
    this.readyState = 0;
    this.headers = {};
    this.statusText = '';
    this.responseText = '';
  }

  open(method, url) {
    Object.assign(this, { method, url, readyState: 1 });
  }

  setRequestHeader(name, value) {
    this.headers[name] = value;
  }

  send(body) {
    const { method, headers } = this;
    const request = http.request(this.url, { method, headers, agent: false }, async (response) => {
      let text = '';
      for await (const chunk of response.setEncoding('utf8')) text += chunk;
      Object.assign(this, { status: response.statusCode, statusText: response.statusMessage, responseText: text });
      this.finish();
    });
    request.on('error', () => this.finish());
    request.end(body);
  }

  finish() {
    this.readyState = 4;
    this.onreadystatechange();
  }
}

module.exports = { Xhr };
