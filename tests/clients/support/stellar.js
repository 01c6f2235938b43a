'use strict';

// The client script as the server serves it, by default or for a transport, loaded as a CommonJS module.

const WebSocket = require('ws');
const xhr = require('../../../client-js/test/support/xhr');

const EVENTS = [
  'connected', 'disconnected', 'reconnecting', 'reconnect', 'timeout', 'error',
  'message', 'alert', 'api', 'welcome', 'say',
];
// Those that tell about the connection; the others tell about packets.
const ABOUT_CONNECTION = EVENTS.slice(0, 6);

async function load(server, transport) {
  const answer = await fetch(`${server.url}/stellar-client${transport ? `?transport=${transport}` : ''}`);
  if (answer.status !== 200) throw new Error(`the client script was answered ${answer.status}`);
  const module = { exports: {}, require };
  new Function('module', 'exports', await answer.text())(module, module.exports);
  return module.exports.StellarClient;
}

// A client that keeps `events`, all of them as `[name, argument]`, and `links`, the sockets that it made, each with
// the frames that it has `sent`. Delays between attempts are short, so that tests are. Disconnected after the test.
async function make(t, server, options = {}, script = load(server)) {
  const StellarClient = await script;
  const links = [];
  class Link extends WebSocket {
    constructor(url) {
      super(url);
      this.sent = [];
      links.push(this);
    }

    send(text) {
      this.sent.push(text);
      super.send(text);
    }
  }
  const client = new StellarClient({ url: server.url, reconnect: { min: 20, max: 100 }, ...options }, Link);
  client.links = links;
  client.events = [];
  for (const event of EVENTS) client.on(event, (argument) => client.events.push([event, argument]));
  t.after(() => client.disconnect());
  return client;
}

// An XMLHttpRequest for the options of a client: Node has none, and a client without it cannot poll. It keeps `requests`.
function requester(scope) {
  const Request = xhr.requester();
  scope.after(() => Request.close());
  return Request;
}

// What happened to the connection so far, each name once where it repeats. Forgets it.
function story(client) {
  const names = client.events.splice(0).map(([name]) => name).filter((name) => ABOUT_CONNECTION.includes(name));
  return names.filter((name, index) => name !== names[index - 1]);
}

function seen(client, event) {
  return client.events.filter(([name]) => name === event).map(([, argument]) => argument);
}

module.exports = { load, make, requester, story, seen };
