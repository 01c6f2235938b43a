'use strict';

// Every event of the client that needs no restart; those are in reconnect.test.js.

const assert = require('node:assert/strict');
const { WAYS, SOCKETIO_WAYS, suite, check } = require('./support/browser');

suite('events', (world) => {
  check('welcome, connected and message', async () => {
    const page = await world.blank();
    await page.evaluate(() => make().connect());
    const seen = await page.evaluate(() => raised(client, 'connected').then(() => client.seen));
    const welcome = seen.find(([name]) => name === 'welcome')[1];
    assert.equal(welcome.context, 'api');
    assert.match(welcome.welcome, /Welcome to Stellar/);
    assert.equal('messageCount' in welcome, false);
    assert.deepEqual(seen.map(([name]) => name), ['message', 'welcome', 'message', 'connected']);
    assert.deepEqual(seen[0][1], welcome);
    assert.equal(seen[2][1].messageCount, 1);
    assert.equal(seen[3][1], undefined);
  });

  check('say', async () => {
    const page = await world.blank();
    const packet = await page.evaluate(async () => {
      const speaker = make({ rooms: ['lobby'] });
      await speaker.connect();
      await speaker.say('lobby', 'hello');
      return raised(speaker, 'say');
    });
    assert.equal(packet.context, 'user');
    assert.equal(packet.room, 'lobby');
    assert.equal(packet.message, 'hello');
    assert.equal(packet.from, await page.evaluate(() => client.id));
    assert.ok(Math.abs(packet.sentAt - Date.now()) < 60000);
  });

  check('alert, for a frame that is not JSON, and the connection stays usable', async () => {
    const page = await world.blank();
    const [alert, sum] = await page.evaluate(async () => {
      await make().connect();
      link.send('this is not JSON');
      return [await raised(client, 'alert'), await client.action('formattedSum', { a: 1, b: 2 })];
    });
    assert.equal(alert.context, 'alert');
    assert.ok(alert.error);
    assert.equal(sum.context, 'response');
    assert.equal(sum.formatted, '1 + 2 = 3');
  });

  // The demo has nothing that sends such packets: they are put in on this side.
  check('api, for contexts that the client does not know', async () => {
    const page = await world.blank();
    const packets = await page.evaluate(async () => {
      await make().connect();
      const odd = [{ context: 'api', tick: 1 }, { context: 'weather', tick: 2 }, { tick: 3 }];
      await link.deliver(...odd.map((packet) => JSON.stringify(packet)));
      return client.seen.filter(([name]) => name === 'api').map(([, packet]) => packet.tick);
    });
    assert.deepEqual(packets, [1, 2, 3]);
  });

  check('error, when nobody listens', async () => {
    const page = await world.blank();
    const [error, story] = await page.evaluate(async () => {
      make({ url: 'http://127.0.0.1:1', reconnect: false });
      await client.connect().catch(() => {});
      return [plain(await raised(client, 'error')), window.story(client)];
    });
    assert.equal(error.isError, true);
    assert.deepEqual(story, ['error']);
  });

  check('disconnected, once, by disconnect()', async () => {
    const page = await world.blank();
    const story = await page.evaluate(async () => {
      await make().connect();
      client.disconnect();
      client.disconnect();
      await raised(client, 'disconnected');
      return window.story(client);
    });
    assert.deepEqual(story, ['connected', 'disconnected']);
  });

  check('off stops a listener, once listens once', async () => {
    const page = await world.blank();
    const heard = await page.evaluate(async () => {
      const heard = [];
      await make({ rooms: ['lobby'] }).connect();
      const off = () => heard.push('off');
      client.on('say', off);
      client.once('say', () => heard.push('once'));
      client.on('say', () => heard.push('on'));
      await client.say('lobby', 1);
      await raised(client, 'say');
      client.off('say', off);
      await client.say('lobby', 2);
      await new Promise((resolve) => {
        client.on('say', (packet) => packet.message === 3 && resolve());
        client.say('lobby', 3);
      });
      return heard;
    });
    assert.deepEqual(heard, ['off', 'once', 'on', 'on', 'on']);
  });
}, [...WAYS, ...SOCKETIO_WAYS]);
