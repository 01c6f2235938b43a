'use strict';

// Two pages in one room.

const assert = require('node:assert/strict');
const { WAYS, SOCKETIO_WAYS, suite, check } = require('./support/browser');

suite('rooms', (world) => {
  async function pair() {
    const pages = [await world.blank(), await world.blank()];
    for (const page of pages) await page.evaluate(() => make({ rooms: ['lobby'] }).connect());
    return pages;
  }

  // All messages that the page has heard up to the word "end".
  function heard(page) {
    return page.evaluate(async () => {
      const said = () => client.seen.filter(([name]) => name === 'say').map(([, packet]) => packet);
      while (!said().some((packet) => packet.message === 'end')) await new Promise((resolve) => client.once('say', resolve));
      return said().filter((packet) => packet.message !== 'end');
    });
  }

  check('both get each message once and in order, with who said it', async () => {
    const [one, two] = await pair();
    await one.evaluate(() => Promise.all(
      Array.from({ length: 50 }, (_, index) => client.say('lobby', `message ${index}`)),
    ));
    await two.evaluate(() => client.say('lobby', 'and me'));
    await two.evaluate(() => client.say('lobby', 'end'));

    const ids = [await one.evaluate(() => client.id), await two.evaluate(() => client.id)];
    const expected = Array.from({ length: 50 }, (_, index) => [`message ${index}`, ids[0]]);
    expected.push(['and me', ids[1]]);
    for (const page of [one, two]) {
      const packets = await heard(page);
      assert.deepEqual(packets.map((packet) => [packet.message, packet.from]), expected);
      assert.ok(packets.every((packet) => packet.room === 'lobby' && packet.context === 'user'));
    }
  });

  check('objects, arrays, numbers and every kind of text arrive as they were', async () => {
    const [one, two] = await pair();
    const messages = [
      { deep: [{ er: null }, true, 1.5, ''], 'ключ': '星 🌠' },
      [1, [2]],
      0,
      false,
      'naïve – 星 – 🌠 – \u0000\u001f',
      'line\u2028separator\u2029and\nnew line',
      '</script><!-- "quoted" \\ %s',
      'primus::ping::1',
      { messageCount: 1, context: 'response', status: 'no' },
    ];
    for (const message of messages) await one.evaluate((said) => client.say('lobby', said), message);
    await one.evaluate(() => client.say('lobby', 'end'));
    for (const page of [one, two]) {
      assert.deepEqual((await heard(page)).map((packet) => packet.message), messages);
    }
  });

  check('__proto__ is a key like any other', async () => {
    const [one, two] = await pair();
    await one.evaluate(async () => {
      const hostile = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"a":1}';
      await client.say('lobby', JSON.parse(hostile));
      await client.to('lobby').emit('hostile', JSON.parse(hostile));
      await client.to('lobby').emit('__proto__', JSON.parse(hostile));
      client.interceptors.push((params, next) => {
        window.isInherited = 'polluted' in params;
        next();
      });
      await client.action('cacheTest', JSON.parse('{"key":"k","value":"v","__proto__":{"polluted":1}}'));
      await client.say('lobby', 'end');
    });
    assert.equal(await one.evaluate(() => isInherited), false);
    for (const page of [one, two]) {
      const packets = await page.evaluate(async () => {
        await new Promise((resolve) => {
          const look = () => client.seen.some(([name, packet]) => name === 'say' && packet.message === 'end') && resolve();
          client.on('say', look);
          look();
        });
        return client.seen.filter(([name]) => name === 'say').map(([, packet]) => JSON.stringify(packet.message));
      });
      assert.match(packets[0], /^\{"__proto__":\{"polluted":1\},"constructor"/);
      assert.equal(packets.length, 4);
      assert.equal(await page.evaluate(() => ({}).polluted), undefined);
      assert.equal(await page.evaluate(() => client.polluted), undefined);
      assert.equal(await page.evaluate(() => Object.getPrototypeOf(client) === StellarClient.prototype), true);
    }
  });

  check('a page that left hears nothing more, and one that is gone is no member', async () => {
    const [one, two] = await pair();
    await two.evaluate(() => client.roomLeave('lobby'));
    await one.evaluate(() => client.say('lobby', 'secret'));
    await two.evaluate(() => client.roomAdd('lobby'));
    await one.evaluate(() => client.say('lobby', 'end'));
    assert.deepEqual((await heard(two)).map((packet) => packet.message), []);
    assert.deepEqual((await heard(one)).map((packet) => packet.message), ['secret']);

    await two.close();
    await one.evaluate(async () => {
      while ((await client.roomView('lobby')).membersCount !== 1);
    });
  });

  check('a closed tab leaves its room, without a heartbeat that is missed', async () => {
    const [one, two] = await pair();
    const id = await two.evaluate(() => client.id);
    assert.ok(id in (await one.evaluate(() => client.roomView('lobby'))).members);
    await two.close();
    await one.evaluate(async (gone) => {
      while (gone in (await client.roomView('lobby')).members);
    }, id);
  });

  check('room events reach listeners of that room and of all rooms', async () => {
    const [one, two] = await pair();
    await two.evaluate(async () => {
      await client.roomAdd('random');
      window.calls = [];
      client.on('wave', (data, packet) => calls.push(['all', data, packet.room]));
      client.from('lobby').on('wave', (data) => calls.push(['lobby', data]));
      client.from('random').on('wave', (data) => calls.push(['random', data]));
    });
    await one.evaluate(async () => {
      await client.to('lobby').emit('wave', { hand: 'left' });
      await client.say('lobby', 'end');
    });
    await heard(two);
    assert.deepEqual(await two.evaluate(() => calls), [['all', { hand: 'left' }, 'lobby'], ['lobby', { hand: 'left' }]]);
  });

  check('a member cannot raise events of the connection elsewhere', async () => {
    const [one, two] = await pair();
    await one.evaluate(async () => {
      for (const name of ['disconnected', 'connected', 'error', 'reconnect']) await client.to('lobby').emit(name, 1);
      await client.say('lobby', 'end');
    });
    await heard(two);
    assert.deepEqual(await two.evaluate(() => story(client)), ['connected']);
  });
}, [...WAYS, ...SOCKETIO_WAYS]);
