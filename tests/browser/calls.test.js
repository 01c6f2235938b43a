'use strict';

// Every method of the client, with arguments in the documented order, and as a promise.

const assert = require('node:assert/strict');
const { WAYS, SOCKETIO_WAYS, suite, check } = require('./support/browser');

suite('calls', (world) => {
  // Connected and in defaultRoom.
  async function member() {
    const page = await world.blank();
    await page.evaluate(() => make({ rooms: ['defaultRoom'] }).connect());
    return page;
  }

  check('connect gives (error, details)', async () => {
    const page = await world.blank();
    const [error, details, ...rest] = await page.evaluate(() => given((callback) => make().connect(callback)));
    assert.equal(error, null);
    assert.equal(details.context, 'response');
    assert.equal(details.data.totalActions, 0);
    assert.equal(details.id, details.data.id);
    assert.deepEqual(rest, []);
    assert.equal(await page.evaluate(() => client.id), details.id);
    assert.equal(await page.evaluate(() => client.state), 'connected');
    assert.match(await page.evaluate(() => client.welcomeMessage), /\w/);
  });

  check('connect gives (error) when nobody listens', async () => {
    const page = await world.blank();
    const [error, details] = await page.evaluate(() => given((callback) => {
      make({ url: 'http://127.0.0.1:1', reconnect: false }).connect(callback);
    }));
    assert.equal(error.isError, true);
    assert.equal(details, undefined);
  });

  check('action gives (response), errors inside', async () => {
    const page = await member();
    const sum = await page.evaluate(() => given((callback) => client.action('formattedSum', { a: 3, b: 4 }, callback)));
    assert.equal(sum.length, 1);
    assert.equal(sum[0].formatted, '3 + 4 = 7');
    assert.equal('error' in sum[0], false);

    const number = await page.evaluate(() => given((callback) => client.action('randomNumber', callback)));
    assert.equal(number.length, 1);
    assert.ok(number[0].number >= 0 && number[0].number < 1);

    const refused = await page.evaluate(() => given((callback) => client.action('cacheTest', {}, callback)));
    assert.equal(refused.length, 1);
    assert.equal(refused[0].error.key, 'The key field is required.');

    const unknown = await page.evaluate(() => given((callback) => client.action('nothing', {}, callback)));
    assert.equal(unknown[0].error.code, '004');
  });

  check('action leaves the params of the caller alone', async () => {
    const page = await member();
    const params = await page.evaluate(async () => {
      const mine = { key: 'k', value: 'v' };
      await given((callback) => client.action('cacheTest', mine, callback));
      return mine;
    });
    assert.deepEqual(params, { key: 'k', value: 'v' });
  });

  check('say gives (error)', async () => {
    const page = await member();
    const [error] = await page.evaluate(() => given((callback) => client.say('defaultRoom', 'hi', callback)));
    assert.equal(error, null);
    const [outside] = await page.evaluate(() => given((callback) => client.say('lobby', 'hi', callback)));
    assert.equal(outside.isError, true);
    assert.equal(outside.code, '016');
    const [nothing] = await page.evaluate(() => given((callback) => client.say('defaultRoom', '', callback)));
    assert.equal(nothing.code, '015');
  });

  check('detailsView gives (error, response)', async () => {
    const page = await member();
    const [error, response] = await page.evaluate(() => given((callback) => client.detailsView(callback)));
    assert.equal(error, null);
    assert.equal(response.id, await page.evaluate(() => client.id));
    assert.deepEqual(response.rooms, ['defaultRoom']);
    assert.equal(response.remoteIP, '127.0.0.1');
    assert.deepEqual(Object.keys(response.data).sort(), [
      'connectedAt', 'fingerprint', 'id', 'params', 'pendingActions', 'remoteIP', 'remotePort', 'rooms', 'totalActions',
    ]);
  });

  check('roomView gives (response, error)', async () => {
    const page = await member();
    // The page of the test before may still be leaving.
    await page.evaluate(async () => { while ((await client.roomView('defaultRoom')).membersCount > 1); });
    const [response, error] = await page.evaluate(() => given((callback) => client.roomView('defaultRoom', callback)));
    assert.equal(error, null);
    assert.equal(response.room, 'defaultRoom');
    assert.equal(response.membersCount, 1);
    const id = await page.evaluate(() => client.id);
    assert.deepEqual(Object.keys(response.members), [id]);
    assert.equal(response.members[id].id, id);

    const [nothing, refused] = await page.evaluate(() => given((callback) => client.roomView('lobby', callback)));
    assert.equal(nothing && nothing.membersCount, undefined);
    assert.equal(refused.isError, true);
    assert.equal(refused.message, 'not member of room lobby');
  });

  check('roomAdd gives (error), and rooms are right inside the callback', async () => {
    const page = await member();
    const rooms = await page.evaluate(() => new Promise((resolve) => {
      client.roomAdd('lobby', (error) => resolve([error, ...client.rooms]));
    }));
    assert.deepEqual(rooms, [null, 'defaultRoom', 'lobby']);
    const [twice] = await page.evaluate(() => given((callback) => client.roomAdd('lobby', callback)));
    assert.equal(twice.code, '017');
    const [missing] = await page.evaluate(() => given((callback) => client.roomAdd('crazyRoom', callback)));
    assert.equal(missing.isError, true);
    assert.equal(missing.code, '019');
    assert.deepEqual(await page.evaluate(() => client.rooms), ['defaultRoom', 'lobby']);
  });

  check('roomLeave gives (error), and rooms are right inside the callback', async () => {
    const page = await member();
    const rooms = await page.evaluate(() => new Promise((resolve) => {
      client.roomLeave('defaultRoom', (error) => resolve([error, ...client.rooms]));
    }));
    assert.deepEqual(rooms, [null]);
    const [again] = await page.evaluate(() => given((callback) => client.roomLeave('defaultRoom', callback)));
    assert.equal(again.isError, true);
    assert.equal(again.code, '016');
  });

  check('file gives (response, error)', async () => {
    const page = await member();
    const [response, error] = await page.evaluate(() => given((callback) => client.file('simple.html', callback)));
    const served = await (await fetch(`${world.server.url}/simple.html`)).text();
    assert.equal(error, null);
    assert.equal(response.context, 'response');
    assert.equal(response.error, null);
    assert.equal(response.content, served);
    assert.equal(response.length, Buffer.byteLength(served));
    assert.match(response.mime, /^text\/html/);
    assert.equal(typeof response.messageCount, 'number');

    const [, missing] = await page.evaluate(() => given((callback) => client.file('missing.html', callback)));
    assert.equal(missing.isError, true);
    assert.equal(missing.code, '010');
    const [, outside] = await page.evaluate(() => given((callback) => client.file('../Cargo.toml', callback)));
    assert.equal(outside.code, '010');
  });

  check('file gives an image as base64', async () => {
    const page = await member();
    const response = await page.evaluate(() => client.file('images/logo.png'));
    const served = Buffer.from(await (await fetch(`${world.server.url}/images/logo.png`)).arrayBuffer());
    assert.equal(response.mime, 'image/png');
    assert.equal(response.encoding, 'base64');
    assert.equal(response.length, served.length);
    assert.deepEqual(Buffer.from(response.content, 'base64'), served);
    const width = await page.evaluate(async ({ mime, content }) => {
      const image = new Image();
      image.src = `data:${mime};base64,${content}`;
      await image.decode();
      return image.naturalWidth;
    }, response);
    assert.equal(width, served.readUInt32BE(16));
  });

  check('disconnect ends the connection, and verbs fail from then on', async () => {
    const page = await member();
    await page.evaluate(() => client.disconnect());
    await page.waitForFunction(() => link.isClosed());
    assert.equal(await page.evaluate(() => client.state), 'disconnected');
    assert.deepEqual(await page.evaluate(() => story(client)), ['connected', 'disconnected']);
    const [error] = await page.evaluate(() => given((callback) => client.detailsView(callback)));
    assert.equal(error.message, 'not connected');
    const [response, refused] = await page.evaluate(() => given((callback) => client.roomView('defaultRoom', callback)));
    assert.equal(response, undefined);
    assert.equal(refused.isError, true);
  });

  check('without a callback every method resolves', async () => {
    const page = await world.blank();
    const got = await page.evaluate(async () => {
      const fresh = make();
      return {
        connect: await fresh.connect(),
        roomAdd: await fresh.roomAdd('random'),
        say: await fresh.say('random', 'hi'),
        detailsView: await fresh.detailsView(),
        roomView: await fresh.roomView('random'),
        file: await fresh.file('simple.html'),
        action: await fresh.action('versionedAction', { apiVersion: 1 }),
        newest: await fresh.action('versionedAction'),
        isolated: await fresh.action('isolated.action'),
        roomLeave: await fresh.roomLeave('random'),
      };
    });
    assert.equal(got.connect.totalActions, 0);
    assert.deepEqual(got.roomAdd.rooms, ['random']);
    assert.equal(got.say.status, 'OK');
    assert.equal(got.detailsView.id, got.connect.id);
    assert.equal(got.roomView.membersCount, 1);
    assert.match(got.file.content, /<h1>Simple<\/h1>/);
    assert.equal(got.action.version, 1);
    assert.equal(got.newest.version, 2);
    assert.equal(got.isolated.success, 'ok');
    assert.deepEqual(got.roomLeave.rooms, []);
  });

  check('without a callback every method rejects', async () => {
    const page = await world.blank();
    const got = await page.evaluate(async () => {
      const fresh = make();
      await fresh.connect();
      return {
        connect: await outcome(new StellarClient({ url: 'http://127.0.0.1:1', reconnect: false }).connect()),
        roomAdd: await outcome(fresh.roomAdd('crazyRoom')),
        roomLeave: await outcome(fresh.roomLeave('lobby')),
        roomView: await outcome(fresh.roomView('lobby')),
        say: await outcome(fresh.say('lobby', 'hi')),
        file: await outcome(fresh.file('missing.html')),
        action: await outcome(fresh.action('sumANumber', { a: 1, b: 2 })),
        version: await outcome(fresh.action('versionedAction', { apiVersion: 99 })),
        number: await outcome(fresh.action('formattedSum', { a: 1, b: 'thisIsInvalid' })),
      };
    });
    assert.equal(got.connect.rejected.isError, true);
    const codes = { roomAdd: '019', roomLeave: '016', roomView: '016', say: '016', file: '010' };
    for (const [method, code] of Object.entries(codes)) {
      const { rejected } = got[method];
      assert.deepEqual([method, rejected.isError, rejected.code, rejected.hasPacket], [method, true, code, true]);
    }
    assert.equal(got.action.rejected.error.code, '002');
    assert.equal(got.version.rejected.error.code, '004');
    assert.equal(got.number.rejected.error.b.code, '003');
  });
}, [...WAYS, ...SOCKETIO_WAYS]);
