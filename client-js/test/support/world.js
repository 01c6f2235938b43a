'use strict';

// A browser without a browser: a clock that stands still until told, sockets that a test plays the
// server of, and the globals of a page.

const { load, variant } = require('./load');

const HELLO = { sid: 'S', upgrades: ['websocket'], pingInterval: 25000, pingTimeout: 20000, maxPayload: 1000 };
const DETAILS = '4{"context":"response","status":"OK","messageCount":1,"data":{"id":"id","rooms":[]}}';

// What the client says, without the ids that it gives its packets: they are the business of one test file.
const withoutId = (text) => text.replace(/"messageId":"~\d+",/g, '');

class Clock {
  constructor() {
    this.now = 0;
    this.timers = new Map();
    this.next = 1;
    // As in browsers: what is no time, and a time that is too long, fires at once.
    this.setTimeout = (fn, delay) => {
      this.timers.set(this.next, { fn, at: this.now + (delay > 0 && delay < 2 ** 31 ? Number(delay) : 0) });
      return this.next++;
    };
    this.clearTimeout = (id) => this.timers.delete(id);
  }

  // Runs what falls due in the next `ms`, in order, also what these timers start.
  advance(ms) {
    const until = this.now + ms;
    for (;;) {
      const due = [...this.timers].filter(([, timer]) => timer.at <= until).sort(([, a], [, b]) => a.at - b.at)[0];
      if (!due) break;
      this.timers.delete(due[0]);
      this.now = Math.max(this.now, due[1].at);
      due[1].fn();
    }
    this.now = until;
  }

  // When the next timer fires, counted from now.
  get wait() {
    return Math.min(...[...this.timers.values()].map((timer) => timer.at)) - this.now;
  }
}

class World {
  constructor(globals = {}, transports = ['ws']) {
    const world = this;
    this.clock = new Clock();
    this.sockets = [];
    this.requests = [];
    this.beacons = [];
    this.network = {};
    this.random = 0.5;
    this.uncaught = [];

    class Socket {
      constructor(url) {
        if (world.refuse) throw new Error(world.refuse);
        this.url = url;
        this.frames = [];
        this.sent = []; // the same, with the ids
        this.closed = false;
        world.sockets.push(this);
      }

      send(text) {
        this.frames.push(withoutId(text));
        this.sent.push(text);
      }

      close() {
        this.closed = true;
      }

      get packets() {
        return this.frames.map((text) => JSON.parse(text));
      }

      accept() {
        this.onopen();
      }

      frame(text) {
        this.onmessage({ data: text });
      }

      push(packet) {
        this.frame(JSON.stringify(packet));
      }

      respond(messageCount, fields) {
        this.push({ status: 'OK', context: 'response', messageCount, ...fields });
      }

      details(messageCount, data) {
        this.respond(messageCount, { data: { id: `id-${world.sockets.indexOf(this)}`, rooms: [], totalActions: 0, ...data } });
      }

      drop(code = 1006, reason = '') {
        this.onclose({ code, reason });
      }
    }

    class Request {
      constructor() {
        this.headers = {};
        this.readyState = 0;
        world.requests.push(this);
      }

      open(method, url, isAsync) {
        Object.assign(this, { method, url, isAsync });
      }

      setRequestHeader(name, value) {
        this.headers[name] = value;
      }

      send(body) {
        this.body = body;
      }

      answer(status, statusText, responseText) {
        Object.assign(this, { readyState: 4, status, statusText, responseText });
        this.onreadystatechange();
      }

      // As browsers do: who aborts is told at once.
      abort() {
        if (this.readyState === 4) return;
        this.isAborted = true;
        this.answer(0, '', '');
      }

      // The answer of an engine.io server to a GET.
      packets(...packets) {
        this.answer(200, 'OK', packets.join('\x1e'));
      }
    }

    this.Client = load({
      setTimeout: (fn, delay) => this.clock.setTimeout(() => this.run(fn), delay),
      clearTimeout: this.clock.clearTimeout,
      Math: { random: () => this.random, min: Math.min, max: Math.max, pow: Math.pow },
      WebSocket: Socket,
      XMLHttpRequest: Request,
      location: { protocol: 'https:', host: 'example.org' },
      document: { cookie: '' },
      navigator: {
        // As browsers do: no more than 64 KiB.
        sendBeacon: (url, body) => body.length <= 65536 && Boolean(this.beacons.push({ url, body: withoutId(body) })),
      },
      addEventListener: (event, fn) => {
        this.network[event] = [...(this.network[event] || []), fn];
      },
      removeEventListener: (event, fn) => {
        this.network[event] = (this.network[event] || []).filter((other) => other !== fn);
      },
      ...globals,
    }, ...variant(transports));
  }

  // Timers may throw what a listener threw: a page would show it on the console.
  run(fn) {
    try {
      fn();
    } catch (error) {
      this.uncaught.push(error.message);
    }
  }

  fire(event) {
    (this.network[event] || []).forEach((fn) => fn({ type: event }));
  }

  get socket() {
    return this.sockets[this.sockets.length - 1];
  }

  // Requests of long polling that have no answer yet.
  polls(method) {
    return this.requests.filter((request) => (
      request.url.includes('transport=polling') && request.method === method && request.readyState !== 4
    ));
  }

  get held() {
    const held = this.polls('GET');
    if (held.length !== 1) throw new Error(`${held.length} requests are held`);
    return held[0];
  }

  // What the client posts, as packets; the server takes it.
  posted() {
    this.clock.advance(0);
    const posts = this.polls('POST');
    if (posts.length !== 1) throw new Error(`${posts.length} requests post`);
    posts[0].answer(200, 'OK', 'ok');
    return withoutId(posts[0].body).split('\x1e');
  }

  // Answers the opening GET, and what a client without rooms asks first.
  establish(hello) {
    this.held.packets(`0${JSON.stringify({ ...HELLO, ...hello })}`);
    this.posted();
    this.held.packets('4{"welcome":"hi","context":"api"}', DETAILS);
  }

  // A client whose events are written down, and that has not been connected.
  client(options) {
    const client = new this.Client(options);
    this.events = [];
    ['connected', 'disconnected', 'error', 'reconnecting', 'reconnect', 'timeout'].forEach((event) => {
      client.on(event, (error) => this.events.push(error instanceof Error ? `${event}: ${error.message}` : event));
    });
    return client;
  }

  // The same, connected. The server says that it is in `rooms`.
  connected(options, rooms = []) {
    const client = this.client(options);
    client.connect(() => {});
    this.socket.accept();
    (client.options.rooms || []).forEach((room, index) => this.socket.respond(index + 1, { data: true }));
    this.socket.details(this.socket.packets.length, { rooms });
    this.events.length = 0;
    return client;
  }
}

module.exports = { Clock, World, HELLO, DETAILS, withoutId };
