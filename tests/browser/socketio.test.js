'use strict';

// The bundles of npm `socket.io-client` that pages load, 4 and 2, with what only a page has: its own XMLHttpRequest and
// WebSocket, and blobs.

const assert = require('node:assert/strict');
const path = require('node:path');
const { between } = require('../clients/support/proxy');
const { suite, check } = require('./support/browser');

const BUNDLES = { 4: 'socket.io-client/dist/socket.io.js', 2: 'socket.io-client-2/dist/socket.io.js' };
const WAYS = [
  ['polling', ['polling']], ['WebSocket', ['websocket']], ['polling, then WebSocket', ['polling', 'websocket']],
];

// Inside the page: a client that keeps `pushes` and its `story`, and `ask`, which gives what the ack was called with.
function tools() {
  const at = (name) => window.socket.io.engine.transport.name === name;
  window.when = async (look) => {
    let found;
    while (!(found = await look())) await new Promise((resolve) => setTimeout(resolve, 5));
    return found;
  };
  window.enter = async (transports) => {
    const socket = (window.socket = io(location.origin, { transports, reconnectionDelay: 20, reconnectionDelayMax: 100 }));
    window.story = [];
    window.pushes = [];
    for (const name of ['welcome', 'response', 'say', 'alert', 'api']) {
      socket.on(name, (...args) => pushes.push([name, ...args]));
    }
    for (const name of ['connect', 'disconnect', 'connect_error']) socket.on(name, () => story.push(name));
    await isIn(transports);
  };
  window.isIn = (transports) => when(() => socket.connected && at(transports.at(-1)));
  window.ask = (...args) => new Promise((resolve, reject) => {
    socket.emit(...args, (...answers) => {
      if (answers.length === 1) resolve(answers[0]);
      else reject(new Error(`the ack of ${args[0]} has ${answers.length} arguments`));
    });
  });
  window.said = () => pushes.filter(([name]) => name === 'say').map(([, { message }]) => message);
}

suite('socket.io-client', (world) => {
  for (const version of [4, 2]) {
    for (const [name, transports] of WAYS) {
      const kind = `${version} over ${name}`;

      async function enter(home = world.server.url) {
        const page = await world.open(`${home}/simple.html`);
        await page.addScriptTag({ path: path.join(__dirname, 'node_modules', BUNDLES[version]) });
        await page.evaluate(tools);
        await page.evaluate((list) => enter(list), transports);
        return page;
      }

      check(`${kind} is greeted, and each ack is called with its answer`, async () => {
        const page = await enter();
        const got = await page.evaluate(async () => {
          await when(() => pushes.length);
          const slow = ask('action', { params: { action: 'sleep', sleepDuration: 300 } });
          const details = await ask('detailsView');
          return { pushes, details, slow: await slow, unknown: await ask('bogus', {}), id: socket.id };
        });
        assert.deepEqual(got.pushes, [['welcome', { welcome: 'Hello human! Welcome to Stellar', context: 'api' }]]);
        // Version 2 shows the id of the session instead.
        if (version === 4) assert.equal(got.id, got.details.data.id);
        assert.deepEqual([got.details.messageCount, got.slow.messageCount], [2, 1]);
        assert.equal(got.slow.sleepDuration, 300);
        assert.equal(got.unknown.error.code, '014');
      });

      check(`${kind} carries every text, in order`, async () => {
        const page = await enter();
        const messages = [
          'plain', 0, false, [null], { 'ключ': '星' }, 'Grüße, κόσμε, 世界', '😀 👩‍👩‍👧‍👦', 'line\u2028paragraph\u2029end',
          '\n\r\t\\n\\\n"\'</script>\u0000\u001e', '%41+&d=1', '2:40', '42["say",{}]', '😀'.repeat(5000),
          ...Array.from({ length: 1000 }, (_, n) => n),
        ];
        const heard = await page.evaluate(async (list) => {
          await ask('roomAdd', { room: 'lobby' });
          list.forEach((message) => socket.emit('say', { room: 'lobby', message }));
          await when(() => said().length >= list.length);
          await ask('detailsView');
          return said();
        }, messages);
        assert.deepEqual(heard, messages);
      });

      check(`${kind} sends bytes and blobs, which arrive as base64`, async () => {
        const page = await enter();
        const [answer, heard] = await page.evaluate(async (knowsViews) => {
          await ask('roomAdd', { room: 'lobby' });
          const bytes = Uint8Array.from({ length: 256 }, (_, n) => n);
          const end = knowsViews ? bytes.subarray(250) : bytes.slice(250).buffer;
          socket.emit('say', { room: 'lobby', message: bytes.buffer });
          socket.emit('say', { room: 'lobby', message: ['before', end, { after: new ArrayBuffer(0) }] });
          const answer = await ask('say', { room: 'lobby', message: { file: new Blob(['Grüße 😀']) } });
          await when(() => said().length >= 3);
          return [answer, said()];
        }, version === 4); // 2 takes a view in a page for an object like any other
        assert.equal(answer.status, 'OK');
        const all = Buffer.from(Array.from({ length: 256 }, (_, n) => n));
        assert.deepEqual(heard, [
          all.toString('base64'),
          ['before', all.subarray(250).toString('base64'), { after: '' }],
          { file: Buffer.from('Grüße 😀').toString('base64') },
        ]);
      });

      check(`${kind} comes back after its connection is cut`, async (t) => {
        const proxy = await between(t, world.server);
        const page = await enter(proxy.url);
        const before = await page.evaluate(() => ask('detailsView'));
        // The browser repeats a GET whose connection breaks, and the cut may fall between two of them.
        proxy.forward = (request) => request.destroy();
        proxy.cut();
        proxy.http.closeAllConnections();
        await page.evaluate(() => when(() => story.includes('disconnect')));
        delete proxy.forward;
        const [story, after, heard] = await page.evaluate(async (list) => {
          await isIn(list);
          const after = await ask('detailsView');
          await ask('roomAdd', { room: 'lobby' });
          await ask('say', { room: 'lobby', message: 'here I am again' });
          await when(() => said().length);
          return [story, after, said()];
        }, transports);
        assert.deepEqual(story.filter((event) => event !== 'connect_error'), ['connect', 'disconnect', 'connect']);
        assert.notEqual(after.data.id, before.data.id);
        assert.deepEqual([after.messageCount, after.data.rooms], [1, []]);
        assert.deepEqual(heard, ['here I am again']);
      });
    }
  }

  // Before any heartbeat is missed: there is none within a test.
  check('4 is gone from its room when its tab closes', async () => {
    const pages = [];
    for (const transports of [['websocket'], ['polling']]) {
      const page = await world.open('/simple.html');
      await page.addScriptTag({ path: path.join(__dirname, 'node_modules', BUNDLES[4]) });
      await page.evaluate(tools);
      await page.evaluate((list) => enter(list), transports);
      await page.evaluate(() => ask('roomAdd', { room: 'random' }));
      pages.push(page);
    }
    const [one, two] = pages;
    await two.close();
    await one.evaluate(() => when(async () => (await ask('roomView', { room: 'random' })).data.membersCount === 1));
  });
}, [{ name: 'its own means', transports: 'ws,polling,socketio', lacks: [] }]);
