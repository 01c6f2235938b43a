'use strict';

// npm `primus` 8 against a server on the Rust API: what each strategy does after each kind of loss. Orders of events are
// those of Primus 8.0.9.

const assert = require('node:assert/strict');
const { Stream } = require('node:stream');
const { describe, it } = require('node:test');
const vm = require('node:vm');
const Primus = require('primus');
const { WebSocket } = require('ws');
const { example, npmClient } = require('./support/primus-api');
const { connect, told } = require('./support/primus');
const {
  ATTEMPT, CLOSING, FAILURE, LEAVING, OPENING, RETURN, WAYS, client, lossOver, untilConnected,
} = require('./support/primus-ways');
const { freeze, raised, until } = require('./support/wait');

// Without pings, so that stories are exact.
const ARGS = ['--ping-interval', '0'];

// What is given, what the client makes of it, and whether it comes back after a loss and after a first attempt that fails.
const STRATEGIES = [
  [{}, 'disconnect,online,timeout', { afterLoss: true, atFirst: true }],
  [{ strategy: [] }, 'disconnect,online,timeout', { afterLoss: true, atFirst: true }],
  [{ strategy: 'disconnect' }, 'disconnect', { afterLoss: true, atFirst: false }],
  [{ strategy: 'online' }, 'online', { afterLoss: false, atFirst: false }],
  [{ strategy: 'timeout' }, 'timeout', { afterLoss: false, atFirst: true }],
  [{ strategy: 'disconnect, online' }, 'disconnect,online', { afterLoss: true, atFirst: false }],
  [{ strategy: ['timeout', 'disconnect'] }, 'timeout,disconnect', { afterLoss: true, atFirst: true }],
  [{ strategy: 'Online ,TIMEOUT' }, 'online,timeout', { afterLoss: false, atFirst: true }],
  [{ strategy: false }, '', { afterLoss: false, atFirst: false }],
];

// One client for each strategy.
function clients(t, server, way, options = {}) {
  return STRATEGIES.map(([strategy, stored, comesBack]) => {
    const ann = client(t, server.url, way, { ...strategy, ...options });
    assert.equal(ann.options.strategy, stored);
    return Object.assign(ann, { comesBack, named: `${way}: ${JSON.stringify(strategy)}` });
  });
}

function openClients(t, server, way) {
  return Promise.all(clients(t, server, way).map((ann) => ann.settled()));
}

// Checks how the stories begin of those that come back, and the whole stories of the others.
async function assertParting(all, when, beginning, scheduled, leaving) {
  for (const ann of all) {
    const expected = [...beginning, ...ann.comesBack[when] ? scheduled : leaving];
    await until(() => ann.story.length >= expected.length, `${expected.length} events of ${ann.named}`);
    assert.deepEqual(ann.story.slice(0, ann.comesBack[when] ? expected.length : undefined), expected, ann.named);
  }
}

// Checks who is there again, and that the others have neither come nor said anything since they left.
async function assertReturn(all, when, way) {
  const back = all.filter(({ comesBack }) => comesBack[when]);
  await Promise.all(back.map((ann) => ann.settled()));
  // A session whose opening was given up unheard is engine.io's for as long as it waits for an answer.
  if (when === 'afterLoss' || way === 'websockets') await untilConnected(back[0], back.length);
  for (const ann of all) {
    assert.equal(ann.recovery.reconnecting(), false, ann.named);
    if (ann.comesBack[when]) assert.ok(!ann.story.includes('end'), ann.named);
    else assert.equal(ann.story.at(-1), 'end', ann.named);
  }
}

for (const way of Object.keys(WAYS)) {
  describe(`strategies over ${way}`, () => {
    it('are asked after the death of the server', async (t) => {
      const server = await example(t, ...ARGS);
      const all = await openClients(t, server, way);
      all.forEach(told);
      await server.stop('SIGKILL');
      await assertParting(all, 'afterLoss', lossOver(way), ['reconnect scheduled'], LEAVING);
      await server.start();
      await assertReturn(all, 'afterLoss', way);
    });

    it('are asked after a first attempt that is refused', async (t) => {
      const server = await example(t, ...ARGS);
      await server.stop('SIGKILL');
      const all = clients(t, server, way);
      await assertParting(
        all, 'atFirst', [...OPENING, 'incoming::error', 'error'], ['reconnect scheduled', 'incoming::end', 'readyStateChange end'],
        ['readyStateChange end', 'outgoing::end', 'close', 'end'],
      );
      await until(() => all[0].story.filter((event) => event === 'reconnect').length >= 2, 'two more attempts');
      assert.equal(all[0].story.filter((event) => event === 'error').length, 1, 'attempts to come back raise no error');
      await server.start();
      await assertReturn(all, 'atFirst', way);
      const { story } = all[0];
      const failed = story.slice(OPENING.length + 2, story.indexOf('incoming::open'));
      const count = failed.filter((event) => event === 'reconnect').length;
      assert.deepEqual(failed, [
        ...FAILURE.slice(1), ...Array.from({ length: count - 1 }, () => [...ATTEMPT, ...FAILURE]).flat(), ...ATTEMPT,
      ]);
    });

    it('are asked after a first attempt that is not answered', async (t) => {
      const server = await example(t, ...ARGS);
      await freeze(server.child);
      const all = clients(t, server, way, { timeout: 200 });
      await assertParting(
        all, 'atFirst', [...OPENING, 'timeout'], ['reconnect scheduled'],
        ['readyStateChange end', 'outgoing::end', 'close', 'end'],
      );
      // With the next attempt the first is given up. Until then it could still be answered.
      const back = all.filter(({ comesBack }) => comesBack.atFirst);
      await until(() => back.every(({ story }) => story.includes('reconnect')), 'the next attempts');
      server.child.kill('SIGCONT');
      await assertReturn(all, 'atFirst', way);
      assert.ok(all.every(({ story }) => !story.includes('error')));
    });

    it('are not asked after an end for good', async (t) => {
      const server = await example(t, ...ARGS);
      const all = await openClients(t, server, way);
      const witness = await client(t, server.url, way).settled();
      for (const ann of all) {
        const ended = raised(ann, 'end');
        ann.write({ do: 'end' });
        told(ann);
        await ended;
        assert.deepEqual(ann.story, [
          'incoming::data', 'incoming::end', 'readyStateChange end', 'outgoing::end', 'close', 'end',
        ], ann.named);
        assert.equal(ann.recovery.reconnecting(), false, ann.named);
      }
      await untilConnected(witness, 1);
    });

    it('are asked after an end that is to be followed by a return', async (t) => {
      const server = await example(t, ...ARGS);
      const all = await openClients(t, server, way);
      for (const ann of all) {
        ann.write({ do: 'reconnect' });
        told(ann);
      }
      await assertParting(all, 'afterLoss', CLOSING, ['reconnect scheduled', ...ATTEMPT, ...RETURN, 'open'], LEAVING);
      await assertReturn(all, 'afterLoss', way);
    });

    it('are asked after a first attempt without permission, which the next may have', async (t) => {
      const server = await example(t, ...ARGS, '--token', 'secret');
      const all = clients(t, server, way);
      for (const ann of all) {
        // The only hook to change what is asked for.
        let isRefused = false;
        ann.on('error', () => { isRefused = true; });
        ann.on('outgoing::url', (url) => { if (isRefused) url.query += '&token=secret'; });
      }
      await assertParting(
        all, 'atFirst', [...OPENING, 'incoming::error', 'error'],
        ['reconnect scheduled', 'incoming::end', 'readyStateChange end', ...ATTEMPT, ...RETURN, 'open'],
        ['readyStateChange end', 'outgoing::end', 'close', 'end'],
      );
      await assertReturn(all, 'atFirst', way);
    });
  });
}

describe('a page that loses its network', () => {
  // The library of npm as a script of a page, whose events are ours to raise.
  const library = new Primus(new Stream(), { transformer: 'websockets', pingInterval: false }).library();

  function page() {
    const window = vm.createContext({ navigator: { onLine: true }, WebSocket, setTimeout, clearTimeout });
    const events = new EventTarget();
    for (const name of ['addEventListener', 'removeEventListener']) window[name] = events[name].bind(events);
    window.window = window;
    vm.runInContext(library, window);
    return { Socket: window.Primus, raise: (name) => events.dispatchEvent(new Event(name)) };
  }

  const OFFLINE = ['offline', 'readyStateChange end', 'outgoing::end', 'close', 'end'];

  for (const [strategy, comesBack] of [
    ['online', true], ['disconnect,online', true], ['disconnect', false], ['timeout', false], [false, false],
  ]) {
    it(`${comesBack ? 'comes back with it' : 'stays away'} with the strategy ${JSON.stringify(strategy)}`, async (t) => {
      const server = await example(t, ...ARGS);
      const { Socket, raise } = page();
      const ann = connect(t, server.url, { strategy }, Socket);
      const witness = connect(t, server.url, {}, npmClient('websockets'));
      await Promise.all([raised(ann, 'open'), raised(witness, 'open')]);
      await untilConnected(witness, 2);
      told(ann);
      raise('offline');
      assert.deepEqual(told(ann), OFFLINE);
      await untilConnected(witness, 1);
      await until(() => server.output.includes('left: peer_closed'), 'the server to know');
      ann.write('kept');
      raise('online');
      if (!comesBack) {
        assert.deepEqual(told(ann), ['online']);
        assert.equal(ann.recovery.reconnecting(), false);
        return;
      }
      assert.equal(await ann.inbox.next(), 'kept');
      assert.deepEqual(told(ann).slice(0, -2), [
        'online', 'reconnect scheduled', ...ATTEMPT, ...RETURN, 'outgoing::data', 'open',
      ]);
      await untilConnected(witness, 2);
    });
  }
});
