'use strict';

// The text of the client parts: what every browser and every place of the generated script can take.

const { test } = require('node:test');
const assert = require('node:assert/strict');
const vm = require('node:vm');
const acorn = require('acorn');
const { files, load, source } = require('./support/plugins');

test('there is one file for each of the four plugins', () => {
  assert.deepEqual(files.sort(), ['emit.js', 'multiplex.js', 'responder.js', 'rooms.js']);
});

for (const file of files) {
  const name = file.replace('.js', '');

  test(`${file} is one expression in ES5 that can stand in a list`, () => {
    const text = `[\n${source(name)},\n${source(name)}\n]`;
    const tree = acorn.parse(text, { ecmaVersion: 5 });
    assert.equal(tree.body.length, 1);
    assert.deepEqual(tree.body[0].expression.elements.map((element) => element.type), ['ObjectExpression', 'ObjectExpression']);
  });

  test(`${file} is an entry of the plugin list: its own name, a client and a library or null`, () => {
    const entry = load(name);
    assert.deepEqual(Object.keys(entry).sort(), ['client', 'library', 'name']);
    assert.equal(entry.name, name);
    for (const key of ['client', 'library']) assert.ok(entry[key] === null || typeof entry[key] === 'function');
  });

  test(`${file} can stand in a page and holds no placeholder`, () => {
    assert.doesNotMatch(source(name), /<\/script|<!--|%[A-Z]+%|[\u2028\u2029]/);
  });
}

test('a client part works as text alone', () => {
  for (const name of ['emit', 'multiplex', 'responder']) {
    const events = {};
    const primus = Object.create({
      emit() {}, on(event) { events[event] = true; }, transform(type) { events[type] = true; }, constructor: { EventEmitter: Object },
    });
    vm.runInNewContext(`(${load(name).client})`)(primus, {});
    assert.ok(events.incoming && events.readyStateChange, name);
  }
});
