'use strict';

// The served client script in Node: actions over HTTP, as long as there is no connection. The requests are looked at
// on their way. Numbers are those of the Stellar checks.

const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');
const { Server } = require('./support/server');
const { between } = require('./support/proxy');
const { load, make } = require('./support/stellar');
const { Xhr } = require('./support/xhr');
const { limited, raised } = require('./support/wait');

// The one argument that a callback is given.
function answered(client, ...args) {
  return limited(new Promise((resolve) => client.action(...args, (...all) => resolve(all))), 'the callback');
}

function assertOverHttp(response) {
  assert.equal(response.context, undefined);
  assert.equal(response.messageCount, undefined);
  assert.equal(response.serverInformation.serverName, 'Stellar API');
}

describe('the client script without a connection', () => {
  const server = new Server();
  before(() => server.start());
  after(() => server.kill());

  it('081: is served as a script that defines StellarClient', async () => {
    const answer = await fetch(`${server.url}/stellar-client`);
    assert.match(answer.headers.get('content-type'), /^(text|application)\/javascript/);
    assert.match(await answer.text(), /StellarClient/);
    const StellarClient = await load(server);
    assert.equal(typeof StellarClient, 'function');
    assert.equal(StellarClient.StellarClient, StellarClient);
  });

  it('100: sends an action before connect as a POST whose body names the action', async (t) => {
    const proxy = await between(t, server);
    const client = await make(t, server, { url: proxy.url });
    const params = { a: 3, b: 4 };
    const response = await client.action('formattedSum', params);
    assert.equal(response.formatted, '3 + 4 = 7');
    assertOverHttp(response);
    const { receivedParams } = response.requesterInformation;
    assert.deepEqual(receivedParams, { action: 'formattedSum', a: 3, b: 4, apiVersion: 1 });
    assert.deepEqual(params, { a: 3, b: 4 }, 'the params of the caller are left alone');
    const [{ method, url, headers, body }] = proxy.requests;
    assert.deepEqual([method, url, headers['content-type']], ['POST', '/api?action=formattedSum', 'application/json']);
    assert.deepEqual(JSON.parse(body), { action: 'formattedSum', a: 3, b: 4 });
    assert.equal(proxy.requests.length, 1);
    assert.equal(proxy.upgrades.length, 0);
    assert.equal(client.state, 'disconnected');
  });

  it('100: takes a callback, with or without params', async (t) => {
    const client = await make(t, server);
    const [sum, ...none] = await answered(client, 'formattedSum', { a: 1, b: 2 });
    assert.deepEqual([sum.formatted, none], ['1 + 2 = 3', []]);
    const [random] = await answered(client, 'randomNumber');
    assert.ok(random.number >= 0 && random.number < 1);
    assertOverHttp(random);
  });

  it('100: goes back to HTTP after disconnect', async (t) => {
    const proxy = await between(t, server);
    const client = await make(t, server, { url: proxy.url });
    await client.connect();
    await client.action('isolated.action');
    assert.equal(proxy.requests.length, 0);
    client.disconnect();
    const response = await client.action('isolated.action', { x: 1 });
    assertOverHttp(response);
    assert.equal(proxy.requests.length, 1);
    assert.deepEqual(JSON.parse(proxy.requests[0].body), { action: 'isolated.action', x: 1 });
  });

  it('100: goes on over HTTP while the socket cannot come back', async (t) => {
    const proxy = await between(t, server);
    const client = await make(t, server, { url: proxy.url });
    await client.connect();
    proxy.takesUpgrades = false;
    const reconnecting = raised(client, 'reconnecting');
    proxy.cut();
    await reconnecting;
    assertOverHttp(await client.action('isolated.action'));
    assert.notEqual(client.state, 'connected');
    const connected = raised(client, 'connected');
    proxy.takesUpgrades = true;
    await connected;
    const response = await client.action('isolated.action');
    assert.equal(response.context, 'response', 'and over the socket again');
    assert.equal(proxy.requests.length, 1);
  });

  it('102: sends GET with encoded params when asked to', async (t) => {
    const proxy = await between(t, server);
    const client = await make(t, server, { url: proxy.url });
    const key = 'a b&c=d/é?#+%25"';
    const response = await client.action('cacheTest', { httpMethod: 'get', key, value: '😀 100 %' });
    assertOverHttp(response);
    assert.equal(response.cacheTestResults.loadResp.key, `cache_test_${key}`);
    assert.equal(response.cacheTestResults.loadResp.value, '😀 100 %');
    const [{ method, url, body }] = proxy.requests;
    assert.equal(method, 'GET');
    assert.equal(url, `/api?action=cacheTest&key=${encodeURIComponent(key)}&value=${encodeURIComponent('😀 100 %')}`);
    assert.equal(body, '');
  });

  it('102: sends other methods with a body', async (t) => {
    const proxy = await between(t, server);
    const client = await make(t, server, { url: proxy.url });
    const response = await client.action('formattedSum', { httpMethod: 'put', a: 1, b: 1 });
    assert.equal(response.formatted, '1 + 1 = 2');
    const [{ method, url, body }] = proxy.requests;
    assert.deepEqual([method, url], ['PUT', '/api?action=formattedSum']);
    assert.deepEqual(JSON.parse(body), { action: 'formattedSum', httpMethod: 'put', a: 1, b: 1 });
  });

  it('uses XMLHttpRequest where there is one', async (t) => {
    const proxy = await between(t, server);
    const client = await make(t, server, { url: proxy.url, XMLHttpRequest: Xhr });
    const response = await client.action('formattedSum', { a: 5, b: 6 });
    assert.equal(response.formatted, '5 + 6 = 11');
    const [{ method, url, headers, body }] = proxy.requests;
    assert.deepEqual([method, url, headers['content-type']], ['POST', '/api?action=formattedSum', 'application/json']);
    assert.deepEqual(JSON.parse(body), { action: 'formattedSum', a: 5, b: 6 });
    await assert.rejects(client.action('nope'), (refusal) => refusal.error.code === '004');
  });

  it('gives the errors of actions: to callbacks inside the response, to promises as rejections', async (t) => {
    const client = await make(t, server);
    const [unknown] = await answered(client, 'nope');
    assert.deepEqual(unknown.error, { code: '004', message: 'Unknown action (nope) or invalid apiVersion' });
    const [invalid] = await answered(client, 'cacheTest', {});
    assert.equal(invalid.error.key, 'The key field is required.');
    await assert.rejects(client.action('sumANumber', { a: 1, b: 2 }), (response) => {
      assert.equal(response.error.code, '002');
      assertOverHttp(response);
      return true;
    });
  });

  it('tells that nobody answers', async (t) => {
    const gone = await new Server().start();
    const client = await make(t, gone);
    await gone.stop();
    const [response, ...none] = await answered(client, 'randomNumber');
    assert.ok(response.error.statusText, JSON.stringify(response));
    assert.equal(typeof response.error.responseText, 'string');
    assert.deepEqual(none, []);
    await assert.rejects(client.action('randomNumber'), (refusal) => Boolean(refusal.error.statusText));
  });
});
