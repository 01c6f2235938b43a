'use strict';

// The saved `.js` scripts in packages and bundles of others.

const { test } = require('node:test');
const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const acorn = require('acorn');
const { wrapped } = require('./support/load');
const { wrapped: wrappedPrimus } = require('./support/primus');

const SCRIPTS = {
  StellarClient: ['ws.js', 'ws-polling.min.js', 'socketio.min.js'].map((file) => [file, wrapped('script', file)]),
  Primus: ['primus-ws.js', 'primus-ws-polling.min.js'].map((file) => [file, wrappedPrimus('primus', file)]),
};

// What a program in a package of that type prints.
function run(type, script, text, program) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'stellar-modules-'));
  try {
    fs.writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ type }));
    fs.writeFileSync(path.join(folder, script), text);
    fs.writeFileSync(path.join(folder, 'program.mjs'), program);
    return execFileSync(process.execPath, ['program.mjs'], { cwd: folder, encoding: 'utf8' }).trim();
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

for (const [global, scripts] of Object.entries(SCRIPTS)) {
  for (const [script, text] of scripts) {
    // Such a file is an ES module, and has no exports: it defines its global.
    test(`${script} loads in a package of type module`, () => {
      const print = `console.log(typeof globalThis.${global});`;
      assert.equal(run('module', script, text, `import './${script}'; ${print}`), 'function');
      assert.equal(run('module', script, text, `await import('./${script}'); ${print}`), 'function');
    });

    test(`${script} exports its class in a package of type commonjs`, () => {
      const program = `import Client, * as all from './${script}';
        import { createRequire } from 'node:module';
        const required = createRequire(import.meta.url)('./${script}');
        console.log(typeof Client, required === Client, required.${global} === Client, typeof globalThis.${global});`;
      assert.equal(run('commonjs', script, text, program), 'function true true undefined');
    });

    // webpack warns of each: "Critical dependency: the request of a dependency is an expression".
    test(`${script} gives a bundler nothing to warn of`, () => {
      const words = [...acorn.tokenizer(text, { ecmaVersion: 5 })].map((token) => text.slice(token.start, token.end));
      const called = words.filter((word, index) => word === 'require' && words[index - 1] !== '.' && words[index + 1] === '(');
      assert.deepEqual(called, []);
      assert.ok(!words.some((word, index) => word === 'module' && words[index + 2] === 'require'));
    });
  }
}

test('what Node has is still found', () => {
  const [script, text] = SCRIPTS.Primus[1];
  const program = `import Primus from './${script}'; console.log(typeof Primus.requires('node:fs').readFileSync, Primus.requires('nothing'));`;
  assert.equal(run('commonjs', script, text, program), 'function undefined');
});
