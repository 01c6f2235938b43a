'use strict';

// Tools for tests, inside the page.

(() => {
  const EVENTS = [
    'connected', 'disconnected', 'error', 'reconnect', 'reconnecting', 'message', 'alert', 'api', 'welcome', 'say',
  ];

  window.links = 0;

  // The browser's own WebSocket; the last one is kept, for tests that speak or listen below the client.
  class Link extends WebSocket {
    constructor(url) {
      super(url);
      window.link = this;
      window.links++;
    }
  }

  // A client that writes down its events as `[name, argument]` in `seen`.
  window.make = (options) => {
    const client = new StellarClient({ WebSocket: Link, ...options });
    client.seen = [];
    EVENTS.forEach((name) => client.on(name, (argument) => client.seen.push([name, argument])));
    return (window.client = client);
  };

  // Names of events so far, without the noisy ones.
  const NOISY = ['message', 'say', 'api', 'welcome'];
  window.story = (client) => client.seen.map(([name]) => name).filter((name) => !NOISY.includes(name));

  // Arguments of the first event of that name, now or later.
  window.raised = (client, event) => new Promise((resolve) => {
    const found = client.seen.find(([name]) => name === event);
    if (found) resolve(found[1]);
    else client.once(event, resolve);
  });

  // All arguments that a callback is given, in a form that can leave the page. More than one call shows as well.
  window.given = (start) => new Promise((resolve) => {
    const calls = [];
    start((...args) => {
      calls.push(args.map(window.plain));
      setTimeout(() => resolve(calls.length === 1 ? calls[0] : { calls }));
    });
  });

  // How a promise ends.
  window.outcome = (promise) => promise.then(
    (value) => ({ resolved: window.plain(value) }),
    (error) => ({ rejected: window.plain(error) }),
  );

  window.plain = (value) => (value instanceof Error
    ? { isError: true, message: value.message, code: value.code, hasPacket: Boolean(value.packet) }
    : value);
})();
