'use strict';

// The Primus client as the server ships it: grammar, tokens, size, wrappers, freshness, declarations.

const { test } = require('node:test');
const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const vm = require('node:vm');
const zlib = require('node:zlib');
const acorn = require('acorn');
const { buildParts, buildPrimus } = require('../build');
const { ROOT, read } = require('./support/load');
const { FILES, expression, wrapped, load } = require('./support/primus');

// gzip -9, with wrapper and settings. What is served may grow by plugins and a parser.
const LIMITS = { 'primus-ws': 8200, 'primus-polling': 8200, 'primus-ws-polling': 8200 };
const TOKENS = ['"%SETTINGS%"', '"%PARSER%"', '"%PLUGINS%"'];

for (const file of FILES) {
  test(`${file} is one ES5 expression, with each token once`, () => {
    const { body } = acorn.parse(`(${expression(file)})`, { ecmaVersion: 5 });
    assert.deepEqual(body.map((node) => node.type), ['ExpressionStatement']);
    const text = read(`dist/${file}`);
    for (const token of TOKENS) {
      assert.equal(text.split(token).length, 2, token);
      assert.equal(text.split(token.slice(1, -1)).length, 2, token);
    }
  });

  test(`${file} in the script wrapper is ES5`, () => {
    acorn.parse(wrapped('primus', file), { ecmaVersion: 5 });
  });

  test(`${file} as an ES module`, async () => {
    const text = wrapped('primus-module', file);
    acorn.parse(text, { ecmaVersion: 2020, sourceType: 'module' });
    const module = await import(`data:text/javascript,${encodeURIComponent(text)}`);
    assert.equal(module.default, module.Primus);
    assert.equal(new module.default({ manual: true }).readyState, module.Primus.CLOSED);
  });

  test(`${file} defines a global of the given name, and nothing else`, () => {
    const window = vm.createContext({});
    window.self = window;
    const before = Object.keys(window);
    vm.runInContext(wrapped('primus', file, {}, 'My "Client"'), window);
    assert.deepEqual(Object.keys(window).filter((key) => !before.includes(key)), ['My "Client"']);
    assert.equal(new window['My "Client"']({ manual: true }).readyState, 2);
  });

  test(`${file} in a context without \`self\``, () => {
    const context = vm.createContext({});
    vm.runInContext(wrapped('primus', file), context);
    assert.equal(vm.runInContext('new Primus({ manual: true }).readyState', context), 2);
  });

  test(`${file} as CommonJS and as AMD`, () => {
    const module = { exports: {} };
    vm.runInNewContext(wrapped('primus', file), { module, exports: module.exports });
    assert.equal(typeof module.exports, 'function');
    assert.equal(module.exports.Primus, module.exports);
    let made;
    const define = (dependencies, factory) => { made = factory(); };
    define.amd = {};
    vm.runInNewContext(wrapped('primus', file), { define });
    assert.equal(typeof made.connect, 'function');
  });

  test(`${file} runs where strings may not become code`, () => {
    const window = vm.createContext({}, { codeGeneration: { strings: false, wasm: false } });
    window.self = window;
    vm.runInContext(wrapped('primus', file), window);
    assert.throws(() => vm.runInContext('eval("1")', window), /Code generation/);
    assert.equal(vm.runInContext('new Primus({ manual: true }).write(1)', window), true);
  });
}

for (const [variant, limit] of Object.entries(LIMITS)) {
  test(`${variant}.min.js weighs at most ${limit} bytes on the wire`, (t) => {
    const size = zlib.gzipSync(wrapped('primus', `${variant}.min.js`), { level: 9 }).length;
    t.diagnostic(`${size} bytes`);
    assert.ok(size <= limit, `${size} bytes`);
  });
}

test('a script holds its transports and no others', () => {
  for (const file of FILES) {
    const text = read(`dist/${file}`);
    assert.equal(/transport=polling/.test(text), file.includes('polling'), file);
    assert.equal(/fallbackTimeout/.test(text), file.includes('ws-polling'), file);
  }
});

test('dist/ is fresh, and holds no other Primus client', async () => {
  const files = await buildPrimus();
  assert.deepEqual(Object.keys(files), FILES);
  for (const file of FILES) assert.equal(read(`dist/${file}`), files[file], `${file}: run npm run build`);
  const parts = await buildParts();
  for (const [file, text] of Object.entries(parts)) assert.equal(read(`dist/${file}`), text, `${file}: run npm run build`);
  const there = fs.readdirSync(path.join(ROOT, 'dist')).filter((name) => name.startsWith('primus-'));
  assert.deepEqual(there.sort(), [...FILES, ...Object.keys(parts)].sort());
});

test('a part is an expression that is the same as its source', async () => {
  for (const file of Object.keys(await buildParts())) {
    const [, kind, name] = /^primus-(\w+)-(\w+)\.min/.exec(file);
    const [built, source] = [`dist/${file}`, `src/${kind}s/${name}.js`].map((one) => vm.runInThisContext(`(${read(one)})`));
    assert.deepEqual(Object.keys(built), Object.keys(source), file);
    assert.ok(Object.keys(built).length >= 3, file);
  }
});

test('the declarations fit their uses', () => {
  const project = path.join(ROOT, 'types', 'primus.tsconfig.json');
  try {
    execFileSync(process.execPath, [path.join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', project]);
  } catch (error) {
    assert.fail(String(error.stdout));
  }
});

test('every public method is declared, and every declared method exists', () => {
  const Primus = load('primus-ws.js');
  const text = read('types/primus.d.ts');
  const declared = (name) => {
    const body = text.split(`export class ${name} `)[1].split('\n}')[0];
    return [...new Set([...body.matchAll(/^ {2}(\w+)(?:<.*?>)?\(/gm)].map((match) => match[1]))].filter((one) => one !== 'constructor');
  };
  const methods = (prototype) => Object.keys(prototype).filter((name) => name[0] !== '_' && typeof prototype[name] === 'function');
  assert.deepEqual(declared('Primus').sort(), methods(Primus.prototype).sort());
  assert.deepEqual(declared('EventEmitter').sort(), methods(Primus.EventEmitter.prototype).sort());
});
