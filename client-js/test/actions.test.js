'use strict';

// Actions: HTTP when there is no connection, the queue, interceptors.

const { test } = require('node:test');
const assert = require('node:assert/strict');
const { World } = require('./support/world');

test('without a connection an action is a POST with the name in address and body', () => {
  const world = new World();
  const client = world.client();
  const params = { key: 'ä&b', list: [1] };
  let answer;
  client.action('cache.test', params, (...args) => { answer = args; });
  const [request] = world.requests;
  assert.equal(request.method, 'POST');
  assert.equal(request.url, 'https://example.org/api?action=cache.test');
  assert.deepEqual(request.headers, { 'Content-Type': 'application/json' });
  assert.equal(request.body, '{"key":"ä&b","list":[1],"action":"cache.test"}');
  request.answer(200, 'OK', '{"ok":1,"serverInformation":{}}');
  assert.deepEqual(answer, [{ ok: 1, serverInformation: {} }]);
  assert.deepEqual(params, { key: 'ä&b', list: [1] });
  assert.equal(world.clock.timers.size, 0);
});

test('GET carries encoded parameters and no body', () => {
  const world = new World();
  world.client({ url: 'http://h:1', apiPath: '/x' })
    .action('a b', { httpMethod: 'get', 'k&': 'v w', o: { p: 1 }, none: undefined, zero: 0 }, () => {});
  const [request] = world.requests;
  assert.equal(request.method, 'GET');
  assert.equal(request.url, 'http://h:1/x?action=a%20b&k%26=v%20w&o=%7B%22p%22%3A1%7D&zero=0');
  assert.equal(request.body, undefined);
});

test('other methods have a body, with the method in it', () => {
  const world = new World();
  world.client().action('a', { httpMethod: 'put', k: 1 }, () => {});
  const [request] = world.requests;
  assert.equal(request.method, 'PUT');
  assert.equal(request.url, 'https://example.org/api?action=a');
  assert.equal(request.body, '{"httpMethod":"put","k":1,"action":"a"}');
});

test('HTTP failures become responses with an error', () => {
  const world = new World();
  const client = world.client();
  const failures = [
    [404, 'Not Found', '{"error":{"code":"004"}}', { error: { code: '004' } }],
    [502, 'Bad Gateway', '<html>', { error: { statusText: 'Bad Gateway', responseText: '<html>' } }],
    [200, 'OK', '5', { error: { statusText: 'OK', responseText: '5' } }],
    [200, 'OK', 'null', { error: { statusText: 'OK', responseText: 'null' } }],
    [0, '', '', { error: { statusText: 'no answer', responseText: '' } }],
  ];
  for (const [status, statusText, text, expected] of failures) {
    let answer;
    client.action('a', (response) => { answer = response; });
    world.requests.pop().answer(status, statusText, text);
    assert.deepEqual(answer, expected);
  }
});

test('a request that cannot be made, or is never answered, ends too', () => {
  const world = new World();
  const loop = {};
  const answers = [];
  const note = (response) => answers.push(response.error.statusText);
  loop.loop = loop;
  world.client().action('a', loop, note);
  world.client().action('a', note);
  assert.deepEqual(answers, []);
  world.clock.advance(35000);
  assert.match(answers[0], /circular/);
  assert.equal(answers[1], 'no answer within 35000 ms');
  world.requests[0].answer(200, 'OK', '{}');
  assert.equal(answers.length, 2);
});

test('without XMLHttpRequest an action uses fetch', async () => {
  const calls = [];
  const fetch = async (url, options) => {
    calls.push([url, options]);
    if (url.endsWith('down')) throw new Error('refused');
    return { statusText: 'OK', text: async () => '{"ok":1}' };
  };
  const world = new World({ XMLHttpRequest: undefined, fetch });
  const client = world.client();
  assert.deepEqual(await client.action('a', { k: 1 }), { ok: 1 });
  assert.deepEqual(calls[0], ['https://example.org/api?action=a', {
    method: 'POST',
    mode: 'cors',
    headers: { 'Content-Type': 'application/json' },
    body: '{"k":1,"action":"a"}',
  }]);
  await assert.rejects(client.action('down'), { error: { statusText: 'refused', responseText: '' } });
});

test('an option replaces XMLHttpRequest', () => {
  const world = new World();
  let used = 0;
  function Request() {
    used++;
    return { open() {}, setRequestHeader() {}, send() {} };
  }
  world.client({ XMLHttpRequest: Request }).action('a', () => {});
  assert.deepEqual([used, world.requests.length], [1, 0]);
});

test('a failed action rejects with the response, a callback gets it', async () => {
  const world = new World();
  const client = world.connected();
  const promise = client.action('a');
  world.socket.push({ context: 'response', messageCount: 2, error: { code: '004' }, partial: 1 });
  await assert.rejects(promise, { error: { code: '004' }, partial: 1 });
});

test('the sixth action waits for a place, in order', () => {
  const world = new World();
  const client = world.connected();
  const done = [];
  const names = () => world.socket.packets.slice(1).map((packet) => packet.params.action).join('');
  for (const name of 'abcdefgh') client.action(name, (response) => done.push(name + (response.error || '')));
  assert.equal(names(), 'abcde');
  world.socket.push({ context: 'response', messageCount: 4 });
  assert.equal(names(), 'abcdef');
  world.socket.push({ context: 'response', messageCount: 2, error: 'no' });
  world.socket.push({ context: 'response', messageCount: 3 });
  assert.equal(names(), 'abcdefgh');
  for (let number = 5; number <= 9; number++) world.socket.push({ context: 'response', messageCount: number });
  assert.deepEqual(done, ['c', 'ano', 'b', 'd', 'e', 'f', 'g', 'h']);
});

test('verbs do not wait for actions', () => {
  const world = new World();
  const client = world.connected({ simultaneousActions: 1 });
  client.action('a', () => {});
  client.action('b', () => {});
  client.say('r', 'x', () => {});
  assert.deepEqual(world.socket.packets.slice(1).map((packet) => packet.event), ['action', 'say']);
});

test('after a loss running actions fail, waiting ones go over HTTP, later ones over the new socket', () => {
  const world = new World();
  const client = world.connected({ simultaneousActions: 1 });
  const done = [];
  client.action('a', (response) => done.push(response.error.message));
  client.action('b', (response) => done.push(response.name));
  world.socket.drop();
  assert.deepEqual(done, ['connection lost (1006)']);
  assert.equal(world.requests.length, 1);
  world.requests[0].answer(200, 'OK', '{"name":"b"}');
  assert.deepEqual(done, ['connection lost (1006)', 'b']);
  world.clock.advance(250);
  world.socket.accept();
  world.socket.details(1);
  client.action('c', () => {});
  assert.equal(world.socket.packets[1].params.action, 'c');
});

test('interceptors run last pushed first, on a copy of the parameters and of the list', () => {
  const world = new World();
  const client = world.connected();
  const seen = [];
  const params = { k: 1 };
  client.interceptors.push((given, next) => {
    seen.push('first', given.added);
    next();
  });
  client.interceptors.push((given, next) => {
    seen.push('second', given.action);
    given.added = 2;
    client.interceptors.length = 0;
    next();
    next();
  });
  client.action('a', params, () => {});
  assert.deepEqual(seen, ['second', 'a', 'first', 2]);
  assert.deepEqual(world.socket.packets.slice(1), [{ event: 'action', params: { k: 1, action: 'a', added: 2 } }]);
  assert.deepEqual(params, { k: 1 });
});

test('an interceptor can answer, in both styles', async () => {
  const world = new World();
  const client = world.connected();
  let answer;
  client.interceptors.push((params, next) => next({ cached: true }));
  client.action('a', (response) => { answer = response; });
  assert.deepEqual(answer, { cached: true });
  assert.deepEqual(await client.action('a'), { cached: true });
  assert.equal(client.messageCount, 1);
});

test('an interceptor can reject, in both styles', async () => {
  const world = new World();
  const client = world.connected();
  const error = new Error('no');
  const ways = [
    (params, next) => next(null, error),
    (params, next, reject) => reject(error),
    () => { throw error; },
  ];
  for (const way of ways) {
    let answer;
    client.interceptors = [way];
    client.action('a', (response) => { answer = response; });
    assert.deepEqual(answer, { error });
    await assert.rejects(client.action('a'), (given) => given === error);
  }
  client.interceptors = [(params, next, reject) => reject()];
  await assert.rejects(client.action('a'), /rejected by an interceptor/);
  assert.equal(client.messageCount, 1);
});

test('an interceptor may answer later', () => {
  const world = new World();
  const client = world.connected();
  let go;
  client.interceptors.push((params, next) => { go = next; });
  client.action('a', () => {});
  assert.equal(client.messageCount, 1);
  go();
  assert.equal(client.messageCount, 2);
});

test('hooks see responses and errors, most recently registered first, and may change them', async () => {
  const world = new World();
  const client = world.connected();
  const order = [];
  client.interceptors.push((params, next) => next((response) => {
    order.push('first pushed');
    if (response.error === 'mend') delete response.error;
    response.seen = true;
  }));
  client.interceptors.push((params, next) => next(() => order.push('second pushed')));
  const good = client.action('a');
  world.socket.push({ context: 'response', messageCount: 2 });
  assert.equal((await good).seen, true);
  assert.deepEqual(order, ['first pushed', 'second pushed']);
  const bad = client.action('a');
  world.socket.push({ context: 'response', messageCount: 3, error: 'broken' });
  await assert.rejects(bad, { error: 'broken', seen: true });
  const mended = client.action('a');
  world.socket.push({ context: 'response', messageCount: 4, error: 'mend' });
  assert.equal((await mended).seen, true);
});

test('what is no function is skipped with a warning', () => {
  const warnings = [];
  const world = new World({ console: { warn: (text) => warnings.push(text) } });
  const client = world.connected();
  client.interceptors.push(5, undefined);
  client.action('a', () => {});
  assert.equal(warnings.length, 2);
  assert.equal(client.messageCount, 2);
});

test('verbs are not intercepted', () => {
  const world = new World();
  const client = world.connected();
  client.interceptors.push(() => assert.fail('called'));
  client.say('r', 'x', () => {});
  client.file('f', () => {});
  assert.equal(client.messageCount, 3);
});

test('interceptors run for HTTP too', () => {
  const world = new World();
  const client = world.client();
  client.interceptors.push((params, next) => {
    params.token = 't';
    next();
  });
  client.action('a', () => {});
  assert.equal(world.requests[0].body, '{"action":"a","token":"t"}');
});
