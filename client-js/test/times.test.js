'use strict';

// Every option and message that is a time or goes into one, with values that a timer cannot hold, that are none, or
// that are texts. Nothing may fire at once that was to come late, and nobody may hammer a server.

const { test } = require('node:test');
const assert = require('node:assert/strict');
const { load: loadPrimus } = require('./support/primus');
const { Clock, World } = require('./support/world');

const LONG = [2 ** 31 - 1, 2 ** 31, 1e15, 1e300, Infinity, 'Infinity'];
const NONE = [-1, -Infinity, NaN, undefined, 'soon', {}];
const MONTH = 31 * 24 * 3600 * 1000;

const named = (value) => (typeof value === 'string' ? `'${value}'` : String(value));
const each = (values, play) => values.forEach((value) => {
  try {
    play(value);
  } catch (error) {
    error.message = `${named(value)}: ${error.message}`;
    throw error;
  }
});

// The limits of the generated client: what `until` waits for, after `begin`, and the default in ms.
const LIMITS = {
  connectTimeout: [10000, (world, options) => {
    const client = world.client(options);
    client.connect(() => {});
    return () => client.state === 'timeout' || world.sockets.length > 1;
  }],
  callTimeout: [30000, (world, options) => {
    let answers = 0;
    world.connected({ pingTimeout: 0, ...options }).say('room', 1, () => answers++);
    return () => answers > 0;
  }],
  'callTimeout of actions': [35000, (world, options) => {
    let answers = 0;
    world.connected({ pingTimeout: 0, ...options }).action('any', () => answers++);
    return () => answers > 0;
  }],
  'callTimeout over HTTP': [35000, (world, options) => {
    let answers = 0;
    world.client(options).action('any', () => answers++);
    return () => answers > 0;
  }],
  pingTimeout: [45000, (world, options) => {
    const client = world.connected(options);
    return () => client.state !== 'connected';
  }],
  fallbackTimeout: [4000, (world, options) => {
    world.client({ connectTimeout: 0, ...options }).connect(() => {});
    return () => world.requests.length > 0;
  }, ['ws', 'polling']],
  'reconnect.timeout': [30000, (world, { reconnect }) => {
    world.connected({ reconnect: { timeout: reconnect } });
    world.socket.drop();
    world.clock.advance(250);
    assert.equal(world.sockets.length, 2);
    return () => world.events.includes('timeout');
  }],
};

for (const [name, [byDefault, begin, transports]] of Object.entries(LIMITS)) {
  test(`${name} may have any value`, () => {
    const extra = name.startsWith('callTimeout ') ? 5000 : 0;
    const start = (value) => {
      const world = new World({}, transports);
      return { world, isOver: begin(world, { [name.split(/[ .]/)[0]]: value }) };
    };
    each(LONG, (value) => {
      const { world, isOver } = start(value);
      world.clock.advance(20 * 24 * 3600 * 1000);
      assert.equal(isOver(), false);
    });
    each(NONE, (value) => {
      const { world, isOver } = start(value);
      world.clock.advance(byDefault - 1);
      assert.equal(isOver(), false, 'sooner than by default');
      world.clock.advance(1);
      assert.equal(isOver(), true, 'by default');
    });
    each([0, null, false], (value) => {
      const { world, isOver } = start(value);
      world.clock.advance(MONTH);
      assert.equal(isOver(), false, 'off');
    });
    each([100, '100'], (value) => {
      const { world, isOver } = start(value);
      world.clock.advance(99 + extra);
      assert.equal(isOver(), false);
      world.clock.advance(1);
      assert.equal(isOver(), true);
    });
  });
}

// Sockets of a client whose server is gone, within `time`.
function attempts(reconnect, time = 10000) {
  const world = new World();
  world.connected({ reconnect });
  world.socket.drop();
  const until = world.clock.now + time;
  while (world.clock.now < until && world.clock.wait <= until - world.clock.now) {
    const before = world.sockets.length;
    world.clock.advance(world.clock.wait);
    if (world.sockets.length > before) world.socket.drop();
    assert.ok(world.sockets.length < 200, 'it hammers');
  }
  return world.sockets.length - 1;
}

test('reconnect.min, max, factor and retries may have any value', () => {
  const usual = attempts({});
  for (const name of ['min', 'max', 'factor', 'retries']) {
    each(NONE, (value) => assert.equal(attempts({ [name]: value }), usual, name));
  }
  each(LONG, (value) => {
    assert.ok(attempts({ min: value }) <= 1);
    assert.equal(attempts({ min: value, max: value }), 0);
    assert.equal(attempts({ min: value, max: value, factor: value }), 0);
    assert.equal(attempts({ max: value }), usual);
    assert.equal(attempts({ factor: value }), 1);
    assert.equal(attempts({ retries: value }), usual);
  });
  assert.equal(attempts({ retries: 0 }), 0);
  assert.equal(attempts({ retries: '2' }), 2);
  assert.equal(attempts({ min: '500', max: '30000', factor: '2' }), usual);
  each([0, null], (value) => {
    assert.ok(attempts({ min: value }) < 20, 'grows from nothing');
    assert.equal(attempts({ max: value }), usual, 'no limit');
    assert.equal(attempts({ factor: value }), 40, 'does not grow, nor shrink');
  });
});

test('upgradeDelay may have any value', () => {
  const probes = (upgradeDelay, time) => {
    const world = new World({}, ['ws', 'polling']);
    const client = world.client({ upgradeDelay });
    client.connect(() => {});
    world.socket.drop();
    world.establish({ pingInterval: MONTH, pingTimeout: MONTH });
    const until = world.clock.now + time;
    while (world.clock.wait <= until - world.clock.now) {
      const before = world.sockets.length;
      world.clock.advance(world.clock.wait);
      if (world.sockets.length > before) world.socket.drop();
      assert.ok(world.sockets.length < 100, 'it hammers');
    }
    return world.sockets.length - 1;
  };
  each(LONG, (value) => assert.equal(probes(value, 100000), 0));
  each(NONE, (value) => assert.equal(probes(value, 29999), 0));
  each(NONE, (value) => assert.equal(probes(value, 30000), 1));
  assert.equal(probes('100', 150), 1);
  each([0, null], (value) => assert.ok(probes(value, 10000) <= 15));
});

test('what engine.io says about its pings may be anything (generated client)', () => {
  const lives = (hello, time) => {
    const world = new World({}, ['polling']);
    const client = world.client({ reconnect: false });
    client.connect(() => {});
    world.establish(hello);
    world.clock.advance(time);
    return client.state === 'connected';
  };
  each([2 ** 31 - 1, 2 ** 31, 1e15, 1e300], (value) => assert.ok(lives({ pingInterval: value }, 1e9)));
  each([-1e9, -1, 0], (value) => {
    assert.ok(lives({ pingInterval: value, pingTimeout: value }, 44999), 'the option counts');
    assert.ok(!lives({ pingInterval: value, pingTimeout: value }, 45001));
  });
  each([null, 'soon', {}], (value) => assert.ok(lives({ pingInterval: value, pingTimeout: value }, 19999)));
  each([100, '100'], (value) => {
    assert.ok(lives({ pingInterval: value, pingTimeout: value }, 199));
    assert.ok(!lives({ pingInterval: value, pingTimeout: value }, 201));
  });
});

// The client for those who come from Primus, on the same clock, with sockets that `play` gets.
function primus(options, play = () => {}, file = 'primus-ws.min.js', globals = {}) {
  const clock = new Clock();
  const sockets = [];
  const requests = [];
  class Socket {
    constructor(url) {
      this.url = url;
      this.readyState = 1;
      sockets.push(this);
      clock.setTimeout(() => play(this), 0);
    }

    send() {}

    close() {}
  }
  class Request {
    open() {}

    setRequestHeader() {}

    send() {
      requests.push(this);
    }

    abort() {}
  }
  const Client = loadPrimus(file, {}, {
    setTimeout: clock.setTimeout,
    clearTimeout: clock.clearTimeout,
    Math: Object.create(Math, { random: { value: () => 0.5 } }),
    WebSocket: Socket,
    XMLHttpRequest: Request,
    navigator: undefined,
    ...globals,
  });
  const client = new Client('http://localhost', options);
  const events = [];
  for (const name of ['open', 'close', 'end', 'timeout', 'offline', 'reconnect', 'reconnect timeout', 'gave up']) {
    client.on(name, () => events.push(name));
  }
  client.on('error', () => {});
  return { client, clock, sockets, requests, events };
}

const accept = (socket) => socket.onopen();
const refuse = (socket) => socket.onclose({ code: 1006, reason: '' });

test('timeout of the Primus client may have any value', () => {
  const expired = (timeout, time) => {
    const { clock, events } = primus({ timeout });
    clock.advance(time);
    return events.includes('timeout');
  };
  each(LONG, (value) => assert.ok(!expired(value, 1e9)));
  each(NONE, (value) => assert.ok(!expired(value, 9999) && expired(value, 10000)));
  each([0, null, false], (value) => assert.ok(!expired(value, MONTH)));
  each([100, '100', '100 ms', '0.1s'], (value) => assert.ok(!expired(value, 99) && expired(value, 100)));
});

test('pingTimeout of the Primus client may have any value', () => {
  const silent = (pingTimeout, time) => {
    const { clock, events } = primus({ pingTimeout }, accept);
    clock.advance(time);
    assert.equal(events[0], 'open');
    return events.includes('offline');
  };
  each(LONG, (value) => assert.ok(!silent(value, 1e9)));
  each(NONE, (value) => assert.ok(!silent(value, 44999) && silent(value, 45000)));
  each([0, null, false], (value) => assert.ok(!silent(value, MONTH)));
  each([100, '100'], (value) => assert.ok(!silent(value, 99) && silent(value, 100)));
});

test('fallbackTimeout of the Primus client may have any value', () => {
  const polls = (fallbackTimeout, time) => {
    const { clock, requests } = primus({ timeout: 0, fallbackTimeout }, undefined, 'primus-ws-polling.min.js');
    clock.advance(time);
    return requests.length > 0;
  };
  each(LONG, (value) => assert.ok(!polls(value, 1e9)));
  each(NONE, (value) => assert.ok(!polls(value, 3999) && polls(value, 4000)));
  each([0, null, false], (value) => assert.ok(!polls(value, MONTH)));
});

test('reconnect of the Primus client may have any values', () => {
  const tries = (reconnect, time = 10000) => {
    const { clock, events } = primus({ reconnect, strategy: 'disconnect,timeout' }, refuse);
    clock.advance(time);
    return events.filter((event) => event === 'reconnect').length;
  };
  const usual = tries({});
  for (const name of ['min', 'max', 'factor', 'retries', 'reconnect timeout']) {
    each(NONE, (value) => assert.equal(tries({ [name]: value }), usual, name));
  }
  each(LONG, (value) => {
    assert.equal(tries({ min: value }), 0);
    assert.equal(tries({ max: value }), usual);
    assert.equal(tries({ factor: value }), 1);
    assert.ok(tries({ retries: value, max: 500 }) <= 21);
    assert.equal(tries({ 'reconnect timeout': value }), usual);
  });
  assert.equal(tries({ retries: 0 }), 0);
  assert.equal(tries({ retries: '2' }), 2);
  assert.equal(tries({ max: 0 }), usual, 'no limit');
  assert.ok(tries({ min: 0, retries: Infinity }) < 20, 'grows from nothing');
  assert.ok(tries({ factor: 0, retries: Infinity }) <= 14, 'does not shrink');
});

test('an attempt of the Primus client may take any time', () => {
  const expired = (limit, time) => {
    const { clock, events } = primus({ reconnect: { 'reconnect timeout': limit }, strategy: 'timeout', timeout: 100 });
    clock.advance(100 + 750 + time);
    return events.includes('reconnect timeout');
  };
  each(LONG, (value) => assert.ok(!expired(value, 1e9)));
  each(NONE, (value) => assert.ok(!expired(value, 29999) && expired(value, 30000)));
  each([0, null, false], (value) => assert.ok(!expired(value, MONTH)));
});

test('a hint of the server may be any number', () => {
  for (const hint of ['2147483647', '2147483648', '9'.repeat(30), '9'.repeat(400)]) {
    const { client, clock, events } = primus({}, (socket) => {
      accept(socket);
      socket.onmessage({ data: `"primus::server::retry::${hint}"` });
      refuse(socket);
    });
    let scheduled;
    client.on('reconnect scheduled', (options) => { scheduled = options.scheduled; });
    clock.advance(1e9);
    assert.ok(!events.includes('reconnect'), hint);
    assert.equal(scheduled, 2 ** 31 - 1, hint);
  }
  for (const hint of ['-1', 'NaN', 'Infinity', '1.5', '']) {
    const { client, clock } = primus({}, (socket) => {
      accept(socket);
      socket.onmessage({ data: `"primus::server::retry::${hint}"` });
      refuse(socket);
    });
    let scheduled;
    client.on('reconnect scheduled', (options) => { scheduled = options.scheduled; });
    clock.advance(10);
    assert.equal(scheduled, 750, hint);
  }
});

test('what engine.io says about its pings may be anything (Primus client)', () => {
  const lives = (hello, time) => {
    const { client, clock, requests } = primus({ pingTimeout: 0, websockets: false }, undefined, 'primus-polling.min.js');
    clock.advance(0);
    const text = `0${JSON.stringify({ sid: 's', upgrades: [], ...hello })}`;
    Object.assign(requests[0], { readyState: 4, status: 200, responseText: text }).onreadystatechange();
    assert.equal(client.readyState, 3);
    clock.advance(time);
    return client.readyState === 3;
  };
  each([2 ** 31 - 1, 2 ** 31, 1e15, 1e300], (value) => assert.ok(lives({ pingInterval: value, pingTimeout: 1 }, 1e9)));
  each([-1e9, -1, 0, 'soon', undefined, {}], (value) => assert.ok(lives({ pingInterval: value, pingTimeout: value }, 1e9)));
  each([100, '100'], (value) => {
    assert.ok(lives({ pingInterval: value, pingTimeout: value }, 199));
    assert.ok(!lives({ pingInterval: value, pingTimeout: value }, 201));
  });
});
