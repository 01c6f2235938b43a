'use strict';

// The bundles of npm `engine.io-client` that pages load: 6, and 3.5 with what only a page has of it, binary payloads and
// JSONP.

const assert = require('node:assert/strict');
const path = require('node:path');
const { suite, check } = require('./support/browser');

const BUNDLES = { 6: 'engine.io-client/dist/engine.io.js', 3.5: 'engine.io-client-3/engine.io.js' };
const WAYS = [
  ['6 over polling', 6, { transports: ['polling'] }, 'polling'],
  ['6 over WebSocket', 6, { transports: ['websocket'] }, 'websocket'],
  ['6 over polling, then WebSocket', 6, {}, 'websocket'],
  ['3.5 over polling', 3.5, { transports: ['polling'] }, 'polling'],
  ['3.5 over polling with base64', 3.5, { transports: ['polling'], forceBase64: true }, 'polling'],
  ['3.5 over JSONP', 3.5, { transports: ['polling'], forceJSONP: true }, 'polling'],
  ['3.5 over WebSocket', 3.5, { transports: ['websocket'] }, 'websocket'],
  ['3.5 over polling, then WebSocket', 3.5, {}, 'websocket'],
  ['3.5 over JSONP, then WebSocket', 3.5, { forceJSONP: true }, 'websocket'],
];
const HOME = 'http://page.example';

// Inside the page: an open client that keeps `packets`, and `ask`, which gives the response by number.
function tools() {
  window.enter = (options, last) => new Promise((resolve, reject) => {
    const socket = (window.socket = eio(location.origin, options));
    socket.packets = [];
    socket.sent = 0;
    socket.on('message', (text) => socket.packets.push(JSON.parse(text)));
    const check = () => socket.transport.name === last && resolve();
    socket.on('open', check);
    socket.on('upgrade', check);
    socket.on('close', (reason) => reject(new Error(reason)));
  });
  window.when = async (look) => {
    let found;
    while (!(found = look())) await new Promise((resolve) => setTimeout(resolve, 5));
    return found;
  };
  window.tell = (packet) => {
    socket.send(JSON.stringify(packet));
    return ++socket.sent;
  };
  window.ask = (packet) => {
    const number = tell(packet);
    return when(() => socket.packets.find(({ messageCount }) => messageCount === number));
  };
  window.said = () => socket.packets.filter(({ context }) => context === 'user').map(({ message }) => message);
}

suite('engine.io-client', (world) => {
  async function enter(version, options, last) {
    const page = await world.open('/simple.html');
    await page.addScriptTag({ path: path.join(__dirname, 'node_modules', BUNDLES[version]) });
    await page.evaluate(tools);
    await page.evaluate(([given, name]) => enter(given, name), [options, last]);
    return page;
  }

  for (const [name, ...kind] of WAYS) {
    check(`${name} carries every text, and binary messages`, async () => {
      const page = await enter(...kind);
      const messages = [
        'plain', 0, [null], 'Grüße, κόσμε, 世界', '😀 👩‍👩‍👧‍👦', 'line\u2028paragraph\u2029end',
        '\n\r\t\\n\\\n"\'</script>\u0000\u001e', '%41+&d=1', '2:40', '😀'.repeat(5000),
      ];
      const heard = await page.evaluate(async (list) => {
        await ask({ event: 'roomAdd', room: 'lobby' });
        list.forEach((message) => tell({ event: 'say', room: 'lobby', message }));
        await when(() => said().length === list.length);
        return said();
      }, messages);
      assert.deepEqual(heard, messages);

      const numbers = await page.evaluate(async () => {
        const packet = new TextEncoder().encode(JSON.stringify({ event: 'detailsView', text: 'Grüße 😀' }));
        const first = socket.sent + 1;
        for (const bytes of [packet.buffer, packet]) {
          tell({ event: 'detailsView' });
          socket.send(bytes);
          socket.sent++;
        }
        const { messageCount } = await ask({ event: 'detailsView' });
        const answers = socket.packets.filter((answer) => answer.messageCount >= first);
        return answers.map((answer) => answer.messageCount - messageCount);
      });
      assert.deepEqual(numbers, [-4, -3, -2, -1, 0]);
    });

    check(`${name} keeps 2,000 messages in order, both ways`, async () => {
      const page = await enter(...kind);
      const [heard, numbers] = await page.evaluate(async () => {
        await ask({ event: 'roomAdd', room: 'random' });
        for (let n = 0; n < 2000; n++) tell({ event: 'say', room: 'random', message: n });
        await when(() => said().length >= 2000);
        await ask({ event: 'detailsView' });
        return [said(), socket.packets.map(({ messageCount }) => messageCount).filter(Boolean)];
      });
      assert.deepEqual(heard, Array.from({ length: 2000 }, (_, n) => n));
      assert.deepEqual(numbers, Array.from({ length: 2002 }, (_, n) => n + 1));
    });
  }

  check('3.5 over JSONP is gone from its room when it closes', async () => {
    const one = await enter(3.5, { transports: ['polling'], forceJSONP: true }, 'polling');
    const two = await enter(3.5, { transports: ['polling'], forceJSONP: true }, 'polling');
    for (const page of [one, two]) await page.evaluate(() => ask({ event: 'roomAdd', room: 'defaultRoom' }));
    await two.evaluate(() => socket.close());
    await one.evaluate(async () => {
      while ((await ask({ event: 'roomView', room: 'defaultRoom' })).data.membersCount !== 1);
    });
  });
}, [{ name: 'their own means', transports: 'ws,polling', lacks: [] }]);

for (const [list, origins, opens] of [['lists', [HOME], true], ['does not list', [], false]]) {
  suite(`JSONP from a page whose origin the server ${list}`, (world) => {
    check(opens ? 'connects and talks' : 'is refused', async () => {
      const page = await world.open(`${HOME}/`, undefined, (made) => made.route(`${HOME}/`, (route) => route.fulfill({
        contentType: 'text/html', body: '<!DOCTYPE html><link rel="icon" href="data:,">',
      })));
      await page.addScriptTag({ path: path.join(__dirname, 'node_modules', BUNDLES[3.5]) });
      const outcome = await page.evaluate((url) => new Promise((resolve) => {
        const socket = eio(url, { transports: ['polling'], forceJSONP: true });
        socket.on('open', () => socket.send('{"event":"detailsView"}'));
        socket.on('message', (text) => JSON.parse(text).messageCount && resolve(JSON.parse(text).status));
        socket.on('close', resolve);
        socket.on('error', (error) => resolve(error.message));
      }), world.server.url);
      if (opens) assert.equal(outcome, 'OK');
      else assert.match(outcome, /error/);
    });
  }, [{ name: 'script tags and forms', transports: 'ws,polling', lacks: [], origins }]);
}
