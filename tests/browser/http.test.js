'use strict';

// Actions without a socket, and many actions on one socket.

const assert = require('node:assert/strict');
const { suite, check } = require('./support/browser');

suite('actions', (world) => {
  function assertHttp(response) {
    assert.equal(typeof response.serverInformation.serverName, 'string');
    assert.equal('context' in response, false);
    assert.equal('messageCount' in response, false);
  }

  function assertSocket(response) {
    assert.equal(response.context, 'response');
    assert.equal(typeof response.messageCount, 'number');
    assert.equal('serverInformation' in response, false);
  }

  check('over HTTP before connect and after disconnect, else over the socket', async () => {
    const page = await world.blank();
    const [before, during, after] = await page.evaluate(async () => {
      const params = { a: 3, b: 4 };
      make();
      const before = await client.action('formattedSum', params);
      await client.connect();
      const during = await client.action('formattedSum', params);
      client.disconnect();
      return [before, during, await client.action('formattedSum', params)];
    });
    for (const response of [before, during, after]) assert.equal(response.formatted, '3 + 4 = 7');
    assertHttp(before);
    assertSocket(during);
    assertHttp(after);
    assert.equal(before.requesterInformation.receivedParams.action, 'formattedSum');
  });

  check('one POST with a JSON body, or a GET', async () => {
    const page = await world.blank();
    const requests = [];
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (url.pathname === '/api') requests.push([request.method(), url, request.postDataJSON()]);
    });
    const responses = await page.evaluate(async () => {
      make();
      return [
        await client.action('cacheTest', { key: 'a&b', value: 'ü 星' }),
        await client.action('cacheTest', { key: 'a&b', value: 'ü 星', httpMethod: 'get' }),
      ];
    });
    for (const response of responses) {
      assert.equal(response.cacheTestResults.loadResp.key, 'cache_test_a&b');
      assert.equal(response.cacheTestResults.loadResp.value, 'ü 星');
    }
    const [post, get] = requests;
    assert.equal(post[0], 'POST');
    assert.equal(post[1].searchParams.get('action'), 'cacheTest');
    assert.deepEqual(post[2], { key: 'a&b', value: 'ü 星', action: 'cacheTest' });
    assert.equal(get[0], 'GET');
    assert.equal(get[1].searchParams.get('key'), 'a&b');
    assert.equal(get[1].searchParams.get('value'), 'ü 星');
  });

  check('errors over HTTP, in both styles, and when nobody listens', async () => {
    const page = await world.blank();
    const got = await page.evaluate(async () => {
      make();
      return [
        await given((callback) => client.action('cacheTest', {}, callback)),
        await outcome(client.action('nothing')),
        await outcome(make({ url: 'http://127.0.0.1:1' }).action('status')),
      ];
    });
    assert.equal(got[0].length, 1);
    assert.equal(got[0][0].error.key, 'The key field is required.');
    assert.equal(got[1].rejected.error.code, '004');
    assert.ok(got[2].rejected.error);
  });

  check('six at once: the client lets one wait', async () => {
    const page = await world.blank();
    const responses = await page.evaluate(async () => {
      await make().connect();
      return Promise.all([600, 500, 400, 300, 200, 100].map((sleepDuration) => client.action('sleep', { sleepDuration })));
    });
    assert.deepEqual(responses.map((response) => response.sleepDuration), [600, 500, 400, 300, 200, 100]);
    for (const response of responses) {
      assert.equal('error' in response, false);
      assertSocket(response);
    }
  });

  // What the wait is for: the check above means nothing if the server takes six.
  check('six at once below the client: the server refuses the last', async () => {
    const page = await world.blank();
    const [number, error] = await page.evaluate(async () => {
      await make().connect();
      const action = JSON.stringify({ event: 'action', params: { action: 'sleep', sleepDuration: 300 } });
      link.send(...Array(6).fill(action));
      return new Promise((resolve) => {
        client.on('message', (packet) => packet.error && resolve([packet.messageCount, packet.error]));
      });
    });
    assert.equal(number, 7);
    assert.equal(error.code, '007');
  });
});
