'use strict';

// The example in examples/socketio, as its README tells people to run it: a page with npm `socket.io-client`, a page with
// the generated client, and a program in Node, in one room.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after } = require('node:test');
const { suite, check } = require('./support/browser');

const EXAMPLE = path.join(__dirname, '../../examples/socketio');
const INSTALLED = path.join(__dirname, 'node_modules');
const BUNDLE = 'socket.io-client/dist/socket.io.min.js';

// What `npm install` in the example gives its pages.
function prepared() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'stellar-example-'));
  after(() => fs.rmSync(folder, { recursive: true }));
  for (const file of ['socketio.html', 'stellar.html', 'talk.js']) {
    fs.copyFileSync(path.join(EXAMPLE, file), path.join(folder, file));
  }
  fs.mkdirSync(path.dirname(path.join(folder, 'node_modules', BUNDLE)), { recursive: true });
  fs.copyFileSync(path.join(INSTALLED, BUNDLE), path.join(folder, 'node_modules', BUNDLE));
  return folder;
}

const folder = prepared();

suite('the socket.io example', (world) => {
  async function visit(address) {
    // No page has an icon, and Chromium complains about it.
    const page = await world.open(address, undefined, (made) => (
      made.route('**/favicon.ico', (route) => route.fulfill({ status: 204 }))
    ));
    await shows(page, 'joined defaultRoom: OK');
    const state = await page.locator('#state').textContent();
    const [, id] = /^connected as (\S+)$/.exec(state) || assert.fail(state);
    return { page, id };
  }

  const lines = (page) => page.locator('#said li').allTextContents();
  const shows = (page, text) => page.locator('#said li').getByText(text, { exact: true }).waitFor();

  async function say(page, text) {
    await page.getByPlaceholder('Say something').fill(text);
    await page.getByRole('button', { name: 'Say' }).click();
    await shows(page, `I: ${text}`);
    assert.equal(await page.getByPlaceholder('Say something').inputValue(), '');
  }

  check('both pages talk to each other', async () => {
    const [one, two] = [await visit('/socketio.html'), await visit('/stellar.html')];
    await say(one.page, 'from socket.io: Grüße 😀');
    await shows(two.page, `${one.id}: from socket.io: Grüße 😀`);
    await say(two.page, '<b>from Stellar</b>');
    await shows(one.page, `${two.id}: <b>from Stellar</b>`);
    const joined = 'joined defaultRoom: OK';
    assert.deepEqual(await lines(one.page), [joined, 'I: from socket.io: Grüße 😀', `${two.id}: <b>from Stellar</b>`]);
    assert.deepEqual(await lines(two.page), [joined, `${one.id}: from socket.io: Grüße 😀`, 'I: <b>from Stellar</b>']);
    assert.deepEqual([...one.page.problems, ...two.page.problems], []);
  });

  check('the program is heard by both pages, hears both, and leaves', async (t) => {
    const [one, two] = [await visit('/socketio.html'), await visit('/stellar.html')];
    const program = spawn(process.execPath, [path.join(folder, 'talk.js'), 'hello there', world.server.url, '5'], {
      env: { ...process.env, NODE_PATH: INSTALLED }, stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => program.kill('SIGKILL'));
    let output = '';
    program.stdout.on('data', (text) => { output += text; });
    const exited = once(program, 'close');

    for (const { page } of [one, two]) await page.locator('#said li', { hasText: /^[\w-]{36}: hello there$/ }).waitFor();
    await say(one.page, 'hello from socket.io');
    await say(two.page, 'hello from Stellar');
    assert.deepEqual(await exited, [0, null]);

    // Its own message and the answer to it may come in either order.
    const said = output.trim().split('\n');
    assert.equal(said[0], 'roomAdd: OK');
    assert.deepEqual(said.slice(1, 3).sort(), ['I: "hello there"', 'say: OK']);
    assert.deepEqual(said.slice(3), [`${one.id}: "hello from socket.io"`, `${two.id}: "hello from Stellar"`]);
  });
}, [{ name: 'all transports', transports: 'ws,polling,socketio', lacks: [], folder }]);
