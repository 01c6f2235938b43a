'use strict';

// npm `primus` 8, and bare requests, against a server on the Rust API: pages of other origins (CORS). The answers are
// those of Primus 8.0.9, header by header; that a WebSocket's origin is looked at, too, is more than it does.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const http = require('node:http');
const { describe, it, before, after } = require('node:test');
const { example } = require('./support/primus-api');
const { OPENING, WAYS, client } = require('./support/primus-ways');
const { limited, raised } = require('./support/wait');

const GOOD = 'https://good.example';
const PATHS = ['/primus/?EIO=4&transport=polling', '/primus/spec', '/primus/primus.js', '/primus'];
const NO_CACHE = { 'cache-control': 'no-store, no-cache, must-revalidate, max-age=0', pragma: 'no-cache' };
// About the connection and the body, whoever asks.
const OF_ALL = ['date', 'connection', 'content-length', 'transfer-encoding'];

const REFUSED = [
  'nonsense', '', '%', '%6eull', '://', '//good.example', 'https:', 'good.example', 'https://goo%64.example', `${GOOD}%00`,
  `${GOOD}/`, `${GOOD}/path`, `${GOOD}:444`, `${GOOD}.evil.example`, 'https://evil-good.example', 'http://good.example',
  'wss://good.example', `${GOOD} https://evil.example`, `${GOOD}, https://evil.example`, 'file://', 'null', 'NULL', '**',
];

async function ask(server, method, path, headers) {
  const asked = http.request(server.url + path, { method, headers, agent: false });
  asked.end();
  const [answer] = await limited(once(asked, 'response'), `the answer to a ${method}`);
  const text = Buffer.concat(await answer.toArray()).toString();
  const named = Object.entries(answer.headers).filter(([name]) => !OF_ALL.includes(name));
  return { status: answer.statusCode, text, all: answer.headers, headers: Object.fromEntries(named) };
}

function assertRefused(answer, origin, method) {
  assert.deepEqual([answer.status, answer.headers, answer.text], [
    403, { 'content-type': 'text/plain' },
    `Invalid HTTP Access Control (CORS) request:\n  Origin: ${origin}\n  Method: ${method}`,
  ]);
}

// What a page is told that may read the answer.
function permission(origin) {
  return { 'access-control-allow-origin': origin, 'access-control-allow-credentials': 'true', vary: 'Origin' };
}

describe('a server for the pages of one other origin', () => {
  let server;
  before(async () => { server = await example({ after() {} }, '--origin', GOOD, '--ping-interval', '0'); });
  after(() => server.stop('SIGKILL'));

  for (const origin of REFUSED) {
    it(`refuses the origin "${origin}"`, async () => {
      for (const path of PATHS) assertRefused(await ask(server, 'GET', path, { origin }), origin, 'GET');
      const preflight = { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-mine' };
      assertRefused(await ask(server, 'OPTIONS', PATHS[0], preflight), origin, 'OPTIONS');
    });
  }

  it('refuses methods that pages have no need of, whatever the origin', async () => {
    for (const origin of [GOOD, 'null', 'nonsense', '%']) {
      for (const method of ['PATCH', 'PROPFIND']) {
        for (const path of PATHS) assertRefused(await ask(server, method, path, { origin }), origin, method);
      }
    }
    // Without an origin it is nobody's page.
    const answer = await ask(server, 'PATCH', '/primus/spec', {});
    assert.deepEqual([answer.status, answer.headers], [200, { 'content-type': 'application/json' }]);
    assert.equal((await ask(server, 'PATCH', '/primus', {})).status, 426);
  });

  it('answers its own pages and those of the origin, which is written as they wrote it', async () => {
    for (const origin of [GOOD, 'HTTPS://Good.EXAMPLE', server.url]) {
      for (const method of ['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'OPTIONS']) {
        const answer = await ask(server, method, '/primus/spec', { origin });
        assert.deepEqual(
          [answer.status, answer.headers],
          [200, { 'content-type': 'application/json', ...permission(origin) }],
          `${method} ${origin}`,
        );
      }
      const opened = await ask(server, 'GET', PATHS[0], { origin });
      assert.deepEqual(
        [opened.status, opened.headers],
        [200, { 'content-type': 'text/plain; charset=UTF-8', ...permission(origin), ...NO_CACHE }],
      );
      for (const [path, status] of [['/primus', 426], ['/primus/?EIO=4&transport=none', 400]]) {
        const answer = await ask(server, 'GET', path, { origin });
        assert.equal(answer.status, status);
        for (const [name, value] of Object.entries(permission(origin))) assert.equal(answer.headers[name], value, name);
      }
    }
  });

  it('tells browsers that ask first what they may', async () => {
    const told = {
      ...permission(GOOD),
      'access-control-allow-methods': 'GET, HEAD, PUT, POST, DELETE, OPTIONS',
      'access-control-max-age': '2592000',
    };
    for (const path of PATHS) {
      // Which method it is to be is not looked at: the browser compares.
      for (const method of ['POST', 'PATCH', 'nonsense']) {
        const headers = { origin: GOOD, 'access-control-request-method': method };
        const answer = await ask(server, 'OPTIONS', path, headers);
        assert.deepEqual([answer.status, answer.text, answer.headers], [200, '', told]);
        assert.equal(answer.all['content-length'], '0');
        const asked = { ...headers, 'access-control-request-headers': 'X-Mine, x-yours' };
        const { headers: allowed } = await ask(server, 'OPTIONS', path, asked);
        assert.deepEqual(allowed, { ...told, 'access-control-allow-headers': 'X-Mine, x-yours' });
      }
    }
    // Who is no page does not ask.
    const answer = await ask(server, 'OPTIONS', '/primus/spec', { 'access-control-request-method': 'POST' });
    assert.deepEqual(answer.headers, { 'content-type': 'application/json' });
  });

  for (const [way, { transformer, transport }] of Object.entries(WAYS)) {
    // The npm client as in a page of that origin.
    const from = (t, origin) => client(t, server.url, way, {
      strategy: false,
      transport: transformer === 'websockets' ? { headers: { Origin: origin } } : { extraHeaders: { Origin: origin } },
    });

    it(`lets a page of the origin in over ${way}, and no other`, async (t) => {
      await from(t, GOOD).settled();
      for (const origin of ['https://evil.example', 'nonsense', 'https://goo%64.example', 'null']) {
        const ann = from(t, origin);
        // The body is there while the event is raised.
        let body;
        ann.once('error', ({ context }) => { body = context?.responseText; });
        const ended = raised(ann, 'end');
        const [error] = await raised(ann, 'error');
        await ended;
        if (transport === 'ws') {
          assert.equal(error.message, 'Unexpected server response: 403');
        } else {
          assert.deepEqual([error.message, error.description], ['xhr poll error', 403]);
          assert.equal(body, `Invalid HTTP Access Control (CORS) request:\n  Origin: ${origin}\n  Method: GET`);
        }
        assert.deepEqual(ann.story, [
          ...OPENING, 'incoming::error', 'error', 'readyStateChange end', 'outgoing::end', 'close', 'end',
        ]);
      }
    });
  }
});

it('a server for pages without an origin takes those, and no nonsense', async (t) => {
  const server = await example(t, '--origin', 'null');
  const answer = await ask(server, 'GET', PATHS[0], { origin: 'null' });
  assert.deepEqual(
    [answer.status, answer.headers],
    [200, { 'content-type': 'text/plain; charset=UTF-8', ...permission('null'), ...NO_CACHE }],
  );
  assertRefused(await ask(server, 'PATCH', PATHS[0], { origin: 'null' }), 'null', 'PATCH');
  for (const origin of [GOOD, 'nonsense', '', '%6eull', 'null/', 'null, null']) {
    assertRefused(await ask(server, 'GET', PATHS[0], { origin }), origin, 'GET');
  }
});

it('a server that lists no origin takes its own pages only', async (t) => {
  const server = await example(t);
  for (const origin of [GOOD, 'null', `${server.url}0`, `ws://${server.address}0`, '%']) {
    assertRefused(await ask(server, 'GET', '/primus/spec', { origin }), origin, 'GET');
  }
  // Programs send these, and no browser: they are nobody's page, as without any.
  for (const origin of [`${server.url}/`, `ws://${server.address}`, server.address, '*']) {
    const answer = await ask(server, 'GET', '/primus/spec', { origin });
    assert.deepEqual([answer.status, answer.headers], [200, { 'content-type': 'application/json' }], origin);
  }
  assert.equal((await ask(server, 'GET', '/primus/spec', { origin: server.url })).status, 200);
  assertRefused(await ask(server, 'PATCH', '/primus/spec', { origin: server.url }), server.url, 'PATCH');
});
