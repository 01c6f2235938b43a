'use strict';

// Tools for tests, inside the page.

(() => {
  const EVENTS = [
    'connected', 'disconnected', 'error', 'reconnect', 'reconnecting', 'message', 'alert', 'api', 'welcome', 'say',
  ];

  // What carries a connection: a WebSocket, or a session that polls. `links` counts them. The last one is `link`, for tests
  // that speak below the client with `send`, or to it with `deliver`, and ask whether it `isClosed`. Both take packets.
  window.links = 0;

  function begun(link) {
    window.links++;
    return (window.link = link);
  }

  const PUSHES = { response: 'response', user: 'say', alert: 'alert' };

  // The event of socket.io that carries a packet to the client.
  function pushed(packet) {
    const { context, welcome } = JSON.parse(packet);
    return welcome ? 'welcome' : PUSHES[context] || 'api';
  }

  // How a packet is written at this address: as an event of socket.io, a message of engine.io, or as it is.
  function written(url, packet, event) {
    if (/\/socket\.io\//.test(url)) return `42["${event(packet)}",${packet}]`;
    return /[?&]EIO=4/.test(url) ? `4${packet}` : packet;
  }

  const sentIn = (url, packets) => packets.map((packet) => written(url, packet, () => 'message'));
  const deliveredIn = (url, packets) => packets.map((packet) => written(url, packet, pushed));

  // A page without WebSocket must be able to read this.
  const Socket = typeof WebSocket !== 'undefined' && class extends WebSocket {
    constructor(url) {
      super(url);
      begun({
        send: (...packets) => sentIn(url, packets).forEach((text) => this.send(text)),
        deliver: async (...packets) => deliveredIn(url, packets).forEach((data) => {
          this.dispatchEvent(new MessageEvent('message', { data }));
        }),
        isClosed: () => this.readyState === 3,
      });
    }
  };

  const sessions = new Map(); // by sid

  class Session {
    constructor() {
      this.underWay = 0;
      this.undelivered = '';
      this.posts = Promise.resolve(); // settled when none is under way: two at once are against the rules
    }

    send(...packets) {
      const request = new Poll();
      request.open('POST', this.url, true);
      request.send(sentIn(this.url, packets).join('\x1e'));
    }

    // With the next answer, which a question brings about.
    deliver(...packets) {
      this.undelivered = deliveredIn(this.url, packets).map((text) => `\x1e${text}`).join('');
      return client.detailsView();
    }

    isClosed() {
      return this.underWay === 0;
    }
  }

  class Poll extends XMLHttpRequest {
    constructor() {
      super();
      this.delivered = '';
      // Before the client looks.
      this.addEventListener('readystatechange', () => {
        if (this.readyState === 4 && this.session && this.status === 200) this.answered();
      });
    }

    open(method, url, isAsync) {
      this.method = method;
      this.url = url;
      if (/[?&]transport=polling/.test(url)) {
        const [, sid] = /[?&]sid=([^&]+)/.exec(url) || [];
        this.session = sid ? sessions.get(sid) : begun(new Session());
      }
      super.open(method, url, isAsync);
    }

    answered() {
      const { session } = this;
      if (!session.url) {
        const { sid } = JSON.parse(super.responseText.slice(1));
        session.url = `${this.url}&sid=${sid}`;
        sessions.set(sid, session);
      } else if (this.method === 'GET') {
        this.delivered = session.undelivered;
        session.undelivered = '';
      }
    }

    get responseText() {
      return super.responseText + this.delivered;
    }

    send(body) {
      const { session } = this;
      if (!session) return super.send(body);
      session.underWay++;
      const ended = new Promise((resolve) => this.addEventListener('loadend', resolve));
      ended.then(() => { session.underWay--; });
      if (this.method === 'GET') return super.send(body);
      session.posts = session.posts.then(() => {
        if (this.isAborted) this.dispatchEvent(new Event('loadend'));
        else super.send(body);
        return ended;
      });
    }

    abort() {
      this.isAborted = true;
      super.abort();
    }
  }

  // A client that writes down its events as `[name, argument]` in `seen`. It takes no slow machine for a broken proxy.
  window.make = (options) => {
    const patience = { connectTimeout: 0, fallbackTimeout: 0 };
    const client = new StellarClient({ WebSocket: Socket || undefined, XMLHttpRequest: Poll, ...patience, ...options });
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
