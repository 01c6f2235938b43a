'use strict';

// What a client goes through when its connection ends.

const assert = require('node:assert/strict');
const { WAYS, SOCKETIO_WAYS, suite, check } = require('./support/browser');

suite('reconnecting', (world) => {
  async function member(prepare) {
    const page = await world.blank(prepare);
    await page.evaluate(() => make({ rooms: ['defaultRoom'], reconnect: { max: 500 } }).connect());
    await page.evaluate(() => client.roomAdd('lobby'));
    return page;
  }

  // Repeated attempts and their errors are as many as the pause was long.
  function outline(story) {
    return story.filter((name, index) => {
      const isRepeated = name === 'reconnecting' && story.slice(0, index).includes(name);
      return name !== 'error' && !isRepeated;
    });
  }

  for (const [how, signal, code] of [['restart', 'SIGTERM', 0], ['crash', 'SIGKILL', 'SIGKILL']]) {
    check(`a ${how} of the server: the client comes back, and its rooms with it`, async () => {
      const page = await member();
      const id = await page.evaluate(() => client.id);

      assert.equal(await world.server.stop(signal), code);
      await page.evaluate(() => raised(client, 'reconnecting'));
      assert.notEqual(await page.evaluate(() => client.state), 'connected');
      await world.server.again();
      await page.waitForFunction(() => client.state === 'connected');

      assert.deepEqual(outline(await page.evaluate(() => story(client))), [
        'connected', 'disconnected', 'reconnecting', 'reconnect', 'connected',
      ]);
      assert.deepEqual(await page.evaluate(() => client.rooms), ['defaultRoom', 'lobby']);
      assert.notEqual(await page.evaluate(() => client.id), id);
      const details = await page.evaluate(() => client.detailsView());
      assert.deepEqual(details.rooms, ['defaultRoom', 'lobby']);

      const response = await page.evaluate(() => client.action('randomNumber'));
      assert.equal(response.context, 'response');
      assert.equal('serverInformation' in response, false);

      const said = await page.evaluate(async () => {
        await client.say('lobby', 'back');
        await client.roomView('lobby');
        return client.seen.filter(([name]) => name === 'say').map(([, packet]) => packet.message);
      });
      assert.deepEqual(said, ['back']);
    });
  }

  check('a call that is under way when the connection breaks fails, in both styles', async () => {
    const page = await member();
    const ends = page.evaluate(() => Promise.all([
      outcome(client.action('sleep', { sleepDuration: 60000 })),
      given((callback) => client.action('sleep', { sleepDuration: 60000 }, callback)),
      given((callback) => client.detailsView(() => {
        window.isUnderWay = true; // answered after both actions were received
        raised(client, 'disconnected').then(() => client.detailsView(callback));
      })),
    ]));
    await page.waitForFunction(() => window.isUnderWay);
    await world.server.stop('SIGKILL');
    const [promise, callback, after] = await ends;
    assert.ok(promise.rejected.error);
    assert.equal(callback.length, 1);
    assert.ok(callback[0].error);
    assert.equal(after[0].message, 'not connected');
    await world.server.again();
  });

  // Time is pushed on, so that whatever the client might have planned would happen.
  async function staysAway(page) {
    assert.equal(await page.evaluate(() => client.state), 'disconnected');
    await page.clock.fastForward(120000);
    assert.deepEqual(await page.evaluate(() => story(client)), ['connected', 'disconnected']);
    assert.equal(await page.evaluate(() => links), 1);
    assert.equal(await page.evaluate(() => link.isClosed()), true);
  }

  check('the server says good-bye: no reconnect', async () => {
    const page = await member((page) => page.clock.install());
    await page.evaluate(() => link.send('{"event":"quit"}'));
    await page.evaluate(() => raised(client, 'disconnected'));
    await page.waitForFunction(() => link.isClosed());
    await staysAway(page);
    // A new connect() is all it takes.
    const details = await page.evaluate(() => client.connect());
    assert.equal(details.context, 'response');
  });

  check('disconnect(): no reconnect', async () => {
    const page = await member((page) => page.clock.install());
    await page.evaluate(() => client.disconnect());
    await page.waitForFunction(() => link.isClosed());
    await staysAway(page);
  });

  check('disconnect() while reconnecting: no more attempts', async () => {
    const page = await member((page) => page.clock.install());
    await world.server.stop('SIGKILL');
    await page.evaluate(() => raised(client, 'reconnecting'));
    const links = await page.evaluate(() => {
      client.disconnect();
      return window.links;
    });
    await page.clock.fastForward(120000);
    assert.equal(await page.evaluate(() => window.links), links);
    assert.equal(await page.evaluate(() => client.state), 'disconnected');
    await world.server.again();
  });

  check('connect, disconnect and connect again, five times: one connection', async () => {
    const page = await world.blank();
    const view = await page.evaluate(async () => {
      make({ rooms: ['random'] });
      for (let round = 0; round < 5; round++) {
        await client.connect();
        client.disconnect();
      }
      await client.connect();
      // Its own number, and nobody else in the room.
      let view;
      do view = await client.roomView('random'); while (view.membersCount > 1);
      return view;
    });
    assert.equal(view.membersCount, 1);
    assert.equal(await page.evaluate(() => links), 6);
  });
}, [...WAYS, ...SOCKETIO_WAYS]);
