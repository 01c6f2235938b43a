'use strict';

// The README's blocks, run as they stand but for the address.

const assert = require('node:assert/strict');
const { execFile, spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');
const { promisify } = require('node:util');
const { Server } = require('./support/server');

const README = fs.readFileSync(path.join(__dirname, '../../README.md'), 'utf8');

// The only block of this language that contains `mark`.
function block(language, mark) {
  const blocks = [...README.matchAll(/^```(\S*)\n([\s\S]*?)^```$/gm)];
  const found = blocks.filter(([, name, text]) => name === language && text.includes(mark));
  assert.equal(found.length, 1, `one block of ${language} with ${mark}`);
  return found[0][2];
}

// Runs a program until its output satisfies `isEnough`, and returns the output.
function runUntil(t, code, isEnough) {
  const child = spawn(process.execPath, ['-e', code], { cwd: __dirname });
  t.after(() => child.kill('SIGKILL'));
  return new Promise((resolve, reject) => {
    let output = '';
    const take = (text) => {
      output += text;
      if (isEnough(output)) resolve(output);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.once('exit', (code) => reject(new Error(`exited with ${code}: ${output}`)));
  });
}

describe('the README', () => {
  const server = new Server();
  const here = (text) => text.replaceAll('127.0.0.1:8080', server.address);
  before(() => server.start());
  after(() => server.kill());

  it('shows how Primus clients connect', async (t) => {
    const output = await runUntil(t, here(block('js', "require('primus')")), (text) => text.includes('hello from Primus'));
    assert.match(output, /context: 'user'/);
  });

  it('tells how Primus clients of the engine.io transformer connect', async (t) => {
    const [, word] = /one other word: `(transformer: 'engine\.io')`/.exec(README);
    const websockets = block('js', "require('primus')");
    const code = websockets.replace("transformer: 'websockets'", word);
    assert.notEqual(code, websockets);
    const output = await runUntil(t, here(code), (text) => text.includes('hello from Primus'));
    assert.match(output, /context: 'user'/);
  });

  it('shows how engine.io clients connect', async (t) => {
    const code = here(block('js', "require('engine.io-client')"));
    const output = await runUntil(t, code, (text) => text.includes('pendingActions'));
    assert.match(output, /Hello human/);
  });

  it('shows how socket.io clients connect, of version 4, of version 3, and with the msgpack parser', async (t) => {
    const code = here(block('js', "const { io } = require('socket.io-client')"));
    const [, parser] = /with `(parser: require\('socket\.io-msgpack-parser'\))`/.exec(README);
    const url = `io('${server.url}'`;
    for (const variant of [
      code,
      code.replace("'socket.io-client'", "'socket.io-client-3'"),
      code.replace(url, `${url}, { ${parser} }`),
    ]) {
      const output = await runUntil(t, variant, (text) => text.includes('hello from socket.io'));
      assert.match(output, /^OK$/m);
    }
    assert.ok(code.includes(url));
  });

  it('shows how socket.io 2 clients connect', async (t) => {
    const code = here(block('js', "const io = require('socket.io-client')"));
    const variant = code.replace("'socket.io-client'", "'socket.io-client-2'");
    const output = await runUntil(t, variant, (text) => /^[0-9a-f-]{36}$/m.test(text));
    assert.match(output, /Hello human/);
  });

  it('shows how plain WebSocket clients connect', async (t) => {
    const output = await runUntil(t, here(block('js', "require('ws')")), (text) => text.includes('pendingActions'));
    assert.match(output, /Hello human/);
  });

  it('shows how to call an action over HTTP', async () => {
    const { stdout } = await promisify(execFile)('sh', ['-c', here(block('sh', 'curl'))]);
    assert.equal(JSON.parse(stdout).formatted, '3 + 4 = 7');
  });

  it('shows what a page does', async (t) => {
    const [, script] = /<script>\n([\s\S]*?)<\/script>/.exec(block('html', 'StellarClient'));
    const source = await (await fetch(`${server.url}/stellar-client`)).text();
    const page = `
      const module_ = { exports: {}, require };
      new Function('module', ${JSON.stringify(source)})(module_);
      const Client = module_.exports;
      const StellarClient = function (options) { return new Client(options, require('ws')); };
      ${here(script)}`;
    const output = await runUntil(t, page, (text) => text.includes('3 + 4 = 7') && text.includes("{ hello: 'world' }"));
    assert.match(output, /defaultRoom/);
  });
});
