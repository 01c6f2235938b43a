'use strict';

// The files as the server ships them: grammar, size, wrappers, freshness, declarations.

const { test } = require('node:test');
const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const path = require('node:path');
const vm = require('node:vm');
const zlib = require('node:zlib');
const acorn = require('acorn');
const { build } = require('../build');
const { ROOT, SOCKETIO, read, expression, wrapped, load, variant: settingsOf } = require('./support/load');

const LIMITS = { ws: 6200, polling: 6200, 'ws-polling': 7200, socketio: 7200 }; // bytes
const FILES = Object.keys(LIMITS).flatMap((variant) => [`${variant}.js`, `${variant}.min.js`]);

for (const file of FILES) {
  test(`${file} is one ES5 expression`, () => {
    const { body } = acorn.parse(`(${expression(file)})`, { ecmaVersion: 5 });
    assert.deepEqual(body.map((node) => node.type), ['ExpressionStatement']);
  });

  test(`${file} holds the settings token once`, () => {
    assert.equal(read(`dist/${file}`).split('%SETTINGS%').length, 2);
    assert.ok(read(`dist/${file}`).includes('"%SETTINGS%"'));
  });

  test(`${file} in the script wrapper is ES5`, () => {
    acorn.parse(wrapped('script', file), { ecmaVersion: 5 });
  });

  test(`${file} in the module wrapper is a module with both exports`, async () => {
    const text = wrapped('module', file);
    acorn.parse(text, { ecmaVersion: 2020, sourceType: 'module' });
    const module = await import(`data:text/javascript,${encodeURIComponent(text)}`);
    assert.equal(typeof module.default, 'function');
    assert.equal(module.default, module.StellarClient);
    assert.equal(new module.default().state, 'disconnected');
  });

  test(`${file} defines a global of the given name, and nothing else`, () => {
    const window = vm.createContext({});
    window.self = window;
    const before = Object.keys(window);
    vm.runInContext(wrapped('script', file, 'My "Client"'), window);
    assert.deepEqual(Object.keys(window).filter((key) => !before.includes(key)), ['My "Client"']);
    assert.equal(new window['My "Client"']().state, 'disconnected');
  });

  test(`${file} works as CommonJS`, () => {
    const module = { exports: {} };
    vm.runInNewContext(wrapped('script', file), { module, exports: module.exports });
    assert.equal(typeof module.exports, 'function');
    assert.equal(module.exports.StellarClient, module.exports);
  });

  test(`${file} works as AMD`, () => {
    let made;
    const define = (dependencies, factory) => { made = factory(); };
    define.amd = {};
    vm.runInNewContext(wrapped('script', file), { define });
    assert.equal(typeof made, 'function');
  });

  test(`${file} runs where strings may not become code`, () => {
    const window = vm.createContext({}, { codeGeneration: { strings: false, wasm: false } });
    window.self = window;
    vm.runInContext(wrapped('script', file), window);
    assert.throws(() => vm.runInContext('eval("1")', window), /Code generation/);
    assert.equal(vm.runInContext('new StellarClient().on("say", function () {}).state', window), 'disconnected');
  });
}

for (const [variant, limit] of Object.entries(LIMITS)) {
  test(`${variant}.min.js weighs at most ${limit} bytes on the wire`, (t) => {
    const [file, settings] = settingsOf(variant === 'socketio' ? SOCKETIO : variant.split('-'), true);
    const text = wrapped('script', file, 'StellarClient', settings);
    const size = zlib.gzipSync(text, { level: 9 }).length;
    t.diagnostic(`${size} bytes`);
    assert.ok(size <= limit, `${size} bytes`);
  });
}

test('a script holds its transports and no others', () => {
  for (const file of FILES) {
    const text = expression(file);
    const isSocketio = file.startsWith('socketio');
    assert.equal(/typeof WebSocket/.test(text), file.includes('ws') || isSocketio, file);
    assert.equal(/transport=polling/.test(text), file.includes('polling') || isSocketio, file);
    assert.equal(/2probe/.test(text), file.includes('ws-polling') || isSocketio, file);
    assert.equal(text.includes('2["message",'), isSocketio, file);
  }
});

test('dist/ is fresh', async () => {
  const files = await build();
  assert.deepEqual(Object.keys(files), FILES);
  for (const file of FILES) assert.equal(read(`dist/${file}`), files[file], `${file}: run npm run build`);
});

test('the declarations fit their uses', () => {
  try {
    execFileSync(process.execPath, [path.join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', path.join(ROOT, 'types')]);
  } catch (error) {
    assert.fail(String(error.stdout));
  }
});

test('every public method is declared, and every declared method exists', () => {
  const methods = Object.keys(load().prototype).filter((name) => name[0] !== '_');
  const declared = read('types/client.d.ts').split('export class StellarClient')[1];
  const names = [...declared.matchAll(/^ {2}(\w+)(?:<[A-Z][^(]*)?(?:\(|: StellarClient\[)/gm)].map((match) => match[1]);
  assert.deepEqual([...new Set(names)].filter((name) => name !== 'constructor').sort(), methods.sort());
});
