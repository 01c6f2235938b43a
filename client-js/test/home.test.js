'use strict';

// Where a script connects to on pages that have no host of their own.

const { test } = require('node:test');
const assert = require('node:assert/strict');
const { page } = require('./support/primus');
const { World } = require('./support/world');

const SCRIPT = { currentScript: { src: 'https://cdn.example:8443/stellar-client.js?v=1' }, cookie: '' };
const ABOUT = { protocol: 'about:', host: '', origin: 'null', href: 'about:srcdoc' };

// Page, document, and the server that is right; '' if nobody can know.
const PAGES = {
  'an ordinary page, whatever its script is from': [{ protocol: 'http:', host: 'a.example:81' }, SCRIPT, 'http://a.example:81'],
  'a page of IPv6': [{ protocol: 'http:', host: '[::1]:81' }, undefined, 'http://[::1]:81'],
  'a page of srcdoc with a script of its server': [ABOUT, SCRIPT, 'https://cdn.example:8443'],
  'a page of srcdoc with the text of the script': [ABOUT, { cookie: '', baseURI: 'https://a.example/x?y' }, 'https://a.example'],
  'a page of a blob': [{ protocol: 'blob:', host: '', origin: 'https://a.example' }, { cookie: '' }, 'https://a.example'],
  'a worker of a blob': [{ protocol: 'blob:', host: '', origin: 'https://a.example:81' }, undefined, 'https://a.example:81'],
  'a file with a script of the server': [{ protocol: 'file:', host: '', origin: 'file://' }, SCRIPT, 'https://cdn.example:8443'],
  'a file with a saved script': [
    { protocol: 'file:', host: '', origin: 'null' }, { cookie: '', currentScript: { src: 'file:///x.js' }, baseURI: 'file:///x.html' }, '',
  ],
  'a page of data': [{ protocol: 'data:', host: '', origin: 'null' }, { cookie: '', baseURI: 'data:text/html,x' }, ''],
};

for (const [name, [location, document, origin]] of Object.entries(PAGES)) {
  test(`${name}: the generated client`, () => {
    const world = new World({ location, document });
    const client = world.client();
    client.connect(() => {});
    if (origin) return assert.ok(world.socket.url.startsWith(`${origin.replace('http', 'ws')}/primus?`), world.socket.url);
    const answers = [];
    client.action('x', (answer) => answers.push(answer.error.statusText));
    world.clock.advance(100000);
    assert.deepEqual(world.events, ['error: This page has no host: give the client the `url` of the server']);
    assert.deepEqual(answers, ['This page has no host: give the client the `url` of the server']);
    assert.equal(world.sockets.length, 0);
    new world.Client({ url: 'https://given.example' }).connect(() => {});
    assert.match(world.socket.url, /^wss:\/\/given\.example\//);
  });

  test(`${name}: the Primus client`, () => {
    const { Primus } = page('primus-ws.min.js', {}, { location, document });
    if (!origin) assert.throws(() => new Primus({ manual: true }), /This page has no host: give the client the `url`/);
    else assert.equal(new Primus({ manual: true }).url.origin, origin);
    assert.equal(new Primus('https://given.example', { manual: true }).url.origin, 'https://given.example');
    if (origin) assert.equal(new Primus('/path', { manual: true }).url.origin, origin);
  });
}

test('outside of pages the server is on this machine', () => {
  const world = new World({ location: undefined, document: undefined });
  world.client().connect(() => {});
  assert.match(world.socket.url, /^ws:\/\/127\.0\.0\.1:8080\//);
  const { Primus } = page('primus-ws.min.js');
  assert.equal(new Primus({ manual: true }).url.origin, 'http://127.0.0.1');
});
