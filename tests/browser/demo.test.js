'use strict';

// The demo page, as someone uses it.

const assert = require('node:assert/strict');
const { WAYS, SOCKETIO_WAYS, suite, check } = require('./support/browser');
const { demo } = require('./support/demo');

suite('demo page', (world) => {
  const { visit, say, heard } = demo(world);

  check('shows the connection', async () => {
    const page = await visit();
    assert.equal(await page.locator('#state-text').textContent(), 'connected');
    await page.waitForFunction((name) => document.getElementById('transport').textContent === name, world.way.transport);
    const id = await page.evaluate(() => client.id);
    assert.equal(await page.locator('#connection-id').getAttribute('title'), id);
    await page.waitForFunction(() => /^[\d.]+ ms$/.test(document.getElementById('rtt').textContent));
    await page.locator(`#members [data-id="${id}"][data-own=true]`).waitFor();
    await page.locator('#messages .note', { hasText: 'You joined' }).waitFor();
    const log = await page.locator('#log li').evaluateAll((items) => items.map((item) => item.dataset.event).reverse());
    assert.deepEqual(log.slice(0, 2), ['welcome', 'connected']);
    assert.deepEqual(page.problems, []);
  });

  check('two pages talk, and see who comes and goes', async () => {
    const [one, two] = [await visit(), await visit()];
    const [idOne, idTwo] = [await one.evaluate(() => client.id), await two.evaluate(() => client.id)];
    await one.locator(`#members [data-id="${idTwo}"]`).waitFor();
    await two.locator(`#members [data-id="${idOne}"]`).waitFor();

    await one.getByLabel('Your name').fill('Ada');
    await say(one, 'hello from Ada');
    await heard(two, 'hello from Ada');
    await say(two, 'hello back');
    for (const page of [one, two]) await heard(page, 'hello back');
    const lines = (page) => page.locator('#messages .message').evaluateAll((items) => items.map((item) => [
      item.dataset.own, item.querySelector('b').textContent, item.querySelector('.said').textContent,
    ]));
    assert.deepEqual(await lines(one), [
      ['true', 'You', 'hello from Ada'], ['false', `guest ${idTwo.slice(0, 4)}`, 'hello back'],
    ]);
    assert.deepEqual(await lines(two), [['false', 'Ada', 'hello from Ada'], ['true', 'You', 'hello back']]);
    await two.locator(`#members [data-id="${idOne}"]`, { hasText: 'Ada' }).waitFor();

    await two.getByRole('button', { name: 'Leave defaultRoom' }).click();
    await one.locator('#messages .note', { hasText: `guest ${idTwo.slice(0, 4)} left` }).waitFor();
    await one.locator(`#members [data-id="${idTwo}"]`).waitFor({ state: 'detached' });
    await two.locator('#text:disabled').waitFor();
    assert.deepEqual([...one.problems, ...two.problems], []);
  });

  check('rooms are apart, and what is said elsewhere is counted', async () => {
    const [one, two] = [await visit(), await visit()];
    for (const page of [one, two]) {
      await page.getByRole('button', { name: 'Join lobby' }).click();
      await page.locator('#rooms [data-room=lobby][data-joined=true][data-current=true]').waitFor();
    }
    await one.locator('#rooms [data-room=defaultRoom] .pick').click();
    await say(two, 'in the lobby');
    await one.locator('#rooms [data-room=lobby] .unread', { hasText: '1' }).waitFor();
    assert.equal(await one.locator('#messages .message').count(), 0);
    await one.locator('#rooms [data-room=lobby] .pick').click();
    await heard(one, 'in the lobby');
    assert.equal(await one.locator('#rooms [data-room=lobby] .unread').textContent(), '');
  });

  check('markup is shown as text', async () => {
    const [one, two] = [await visit(), await visit()];
    const hostile = '<img src=x onerror="window.isHacked=1"><script>window.isHacked=1</script>';
    await one.getByLabel('Your name').fill('<b>x</b><img src=x>');
    await say(one, hostile);
    // Names, room events and objects take other ways through the page.
    await one.evaluate((text) => client.to('defaultRoom').emit(text, { text }), hostile);
    await one.evaluate((text) => client.say('defaultRoom', { [text]: text }), hostile);
    await say(one, 'end');
    for (const page of [one, two]) {
      await heard(page, 'end');
      assert.equal(await page.locator('#messages .said').first().textContent(), hostile);
      assert.equal(await page.locator('#messages img, #messages script, #members img, #log img').count(), 0);
      assert.equal(await page.evaluate(() => window.isHacked), undefined);
      assert.deepEqual(page.problems, []);
    }
    assert.equal(await two.locator('#messages b').first().textContent(), '<b>x</b><img src=x>');
  });

  check('cut network: the states show, actions go over HTTP, the rooms come back', async () => {
    const [one, two] = [await visit(), await visit()];
    await one.getByRole('button', { name: 'Join lobby' }).click();
    await one.locator('#rooms [data-room=lobby][data-joined=true]').waitFor();
    await one.locator('#rooms [data-room=defaultRoom] .pick').click();
    await one.evaluate(() => {
      // The network is cut for some seconds, one timer after the other. It stays cut until the test has seen enough.
      const start = window.setTimeout;
      const held = [];
      window.setTimeout = (fn, time) => (time === 1000 ? held.push(fn) : start(fn, time));
      window.heal = () => {
        window.setTimeout = start;
        held.forEach((fn) => fn());
      };
      window.states = [];
      new MutationObserver(() => {
        const { state } = document.getElementById('state').dataset;
        if (states[states.length - 1] !== state) states.push(state);
      }).observe(document.getElementById('state'), { attributes: true });
    });
    const id = await one.evaluate(() => client.id);

    await one.getByRole('button', { name: 'Cut my network' }).click();
    assert.equal(await one.locator('#cut').getAttribute('data-cut'), 'yes');
    await one.locator('#state[data-state=reconnecting]').waitFor();
    await one.locator('form[data-action=formattedSum] button').click();
    await one.locator('#call[data-action=formattedSum][data-state=ok]').waitFor();
    assert.equal(await one.locator('#call').getAttribute('data-via'), 'http');
    await two.locator(`#members [data-id="${id}"]`).waitFor({ state: 'detached' });

    await one.evaluate(() => heal());
    await one.locator('#state[data-state=connected]').waitFor();
    assert.deepEqual(await one.evaluate(() => states), ['disconnected', 'reconnecting', 'connected']);
    const log = await one.locator('#log li').evaluateAll((items) => items.map((item) => item.dataset.event).reverse());
    const order = ['disconnected', 'reconnecting', 'reconnect', 'connected'].map((name) => log.lastIndexOf(name));
    assert.ok(order.every((at, index) => at > (index ? order[index - 1] : 0)), log.join(' '));
    assert.deepEqual(await one.evaluate(() => client.rooms), ['defaultRoom', 'lobby']);
    assert.equal(await one.locator('#rooms [data-joined=true]').count(), 2);
    assert.equal(await one.locator('#cut').getAttribute('data-cut'), 'no');

    await say(one, 'here I am again');
    await heard(two, 'here I am again');
    await one.locator('form[data-action=status] button').click();
    await one.locator('#call[data-action=status][data-via=socket]').waitFor();
    assert.deepEqual(one.problems, []);
  });

  check('actions show request, response and the way they went', async () => {
    const page = await visit();
    const call = async (name) => {
      await page.locator(`form[data-action=${name}] button`).click();
      await page.locator(`#call[data-action=${name}]:not([data-state=waiting])`).waitFor();
      return {
        state: await page.locator('#call').getAttribute('data-state'),
        via: await page.locator('#call').getAttribute('data-via'),
        request: JSON.parse(await page.locator('#request').textContent()),
        response: JSON.parse(await page.locator('#response').textContent()),
      };
    };
    const sum = await call('formattedSum');
    assert.deepEqual(sum.request, { action: 'formattedSum', a: 3, b: 4 });
    assert.equal(sum.response.formatted, '3 + 4 = 7');
    assert.deepEqual([sum.state, sum.via], ['ok', 'socket']);
    assert.ok((await call('randomNumber')).response.number < 1);
    assert.equal((await call('status')).state, 'ok');
    assert.equal((await call('cacheTest')).response.cacheTestResults.loadResp.value, 'hello');
    assert.equal((await call('versionedAction')).response.version, 2);
    await page.getByLabel('apiVersion').selectOption('1');
    await page.locator('form[data-action=versionedAction] button').click();
    await page.locator('#response', { hasText: '"version": 1' }).waitFor();
    await page.getByLabel('sleepDuration').fill('50');
    assert.equal((await call('sleep')).response.sleepDuration, 50);
    await page.locator('form[data-action=cacheTest]').getByLabel('key').fill('');
    await page.locator('form[data-action=cacheTest] button').click();
    await page.locator('#call[data-action=cacheTest][data-state=failed]').waitFor();
    assert.match(await page.locator('#response').textContent(), /The key field is required\./);

    await page.getByRole('button', { name: 'Disconnect' }).click();
    await page.locator('#state[data-state=disconnected]').waitFor();
    assert.equal((await call('status')).via, 'http');
    await page.getByRole('button', { name: 'Connect', exact: true }).click();
    await page.locator('#state[data-state=connected]').waitFor();
  });

  check('files show as text, picture or error', async () => {
    const page = await visit();
    await page.getByRole('button', { name: 'Get' }).click();
    await page.locator('#file-view pre', { hasText: '<h1>Simple</h1>' }).waitFor();
    await page.getByRole('button', { name: 'images/logo.png' }).click();
    const image = page.locator('#file-view img');
    await image.waitFor();
    await page.waitForFunction(() => document.querySelector('#file-view img').naturalWidth > 0);
    assert.match(await page.locator('#file-info').textContent(), /^image\/png, \d+ bytes$/);
    await page.getByLabel('File', { exact: true }).fill('missing.txt');
    await page.keyboard.press('Enter');
    await page.locator('#file-info', { hasText: 'missing.txt: ' }).waitFor();
    assert.equal(await image.count(), 0);
    assert.deepEqual(page.problems, []);
  });
}, [...WAYS.filter(({ transports }) => transports !== 'ws,polling'), ...SOCKETIO_WAYS]);
