'use strict';

// Runs a suite that is written for mocha, in a copy of its own.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { run } = require('./build');

// Copies `source` to `work` and installs what it needs there.
function copy(source, work, files = () => true) {
  fs.mkdirSync(work, { recursive: true });
  const filter = (from) => {
    const name = path.relative(source, from);
    return !/^(node_modules|\.git)(\/|$)/.test(name) && files(name);
  };
  fs.cpSync(source, work, { recursive: true, filter });
}

// What came of each case: `[{ outcome, title, error }]`.
function mocha(work, words, env = {}) {
  const results = path.join(work, 'results.jsonl');
  fs.rmSync(results, { force: true });
  const reporter = path.join(__dirname, 'reporter.js');
  const bin = path.join(work, 'node_modules/mocha/bin/mocha');
  const child = spawnSync(process.execPath, [bin, '--exit', '--reporter', reporter, ...words], {
    cwd: work, env: { ...process.env, ...env, RESULTS: results }, stdio: ['ignore', 2, 2],
  });
  if (child.error) throw child.error;
  const text = fs.existsSync(results) ? fs.readFileSync(results, 'utf8') : '';
  if (!text) throw new Error(`mocha said nothing about any case in ${work}`);
  return text.trim().split('\n').map((line) => JSON.parse(line));
}

// Cases wait for `open` and then for a message, which may come with it: it is held back until they do.
const PATIENT = `
globalThis.WebSocket = class extends WebSocket {
  constructor(url) {
    super(url);
    this.once('open', () => {
      this.pause();
      setImmediate(() => this.resume());
    });
  }
};
`;

// The suites of engine.io's and socket.io's protocols have their server's address written into them.
function protocol(source, work, url) {
  copy(source, work);
  const file = path.join(work, 'test-suite.js');
  const text = fs.readFileSync(file, 'utf8');
  if (!text.includes('http://localhost:3000')) throw new Error(`${file} names no server`);
  fs.writeFileSync(file, text.replaceAll('http://localhost:3000', url));
  fs.appendFileSync(path.join(work, 'node-imports.js'), PATIENT);
  run('npm', ['ci', '--silent', '--no-audit', '--no-fund'], { cwd: work });
  return mocha(work, ['test-suite.js']);
}

// What Primus's suite of a transformer needs besides what Primus itself depends on.
const NEEDED = [
  'mocha', 'chai', 'request', 'ws', 'engine.io', 'engine.io-client', 'browserify', 'deumdify', 'derequire', 'demolish',
  'emits', 'inherits', 'querystringify', 'recovery', 'tick-tock', 'url-parse', 'yeast',
];

// Transformer -> the transports of the library that stands in for its own.
const TRANSFORMERS = { websockets: 'ws', 'engine.io': 'polling,ws' };

// Primus's suite drives Primus's server, in one process with the client: this server's library takes the client's place.
function primus(source, work, stellar) {
  copy(source, work);
  const file = path.join(work, 'package.json');
  const manifest = JSON.parse(fs.readFileSync(path.join(source, 'package.json'), 'utf8'));
  const needed = Object.entries(manifest.devDependencies).filter(([name]) => NEEDED.includes(name));
  fs.writeFileSync(file, JSON.stringify({ ...manifest, devDependencies: Object.fromEntries(needed) }));
  run('npm', ['install', '--silent', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: work });
  run('npm', ['run', '--silent', 'build'], { cwd: work });
  return Object.entries(TRANSFORMERS).flatMap(([transformer, transports]) => {
    const library = path.join(work, `stellar-${transformer}.js`);
    run(stellar, ['client', '--global', 'Primus', '--transport', transports, '-o', library]);
    const words = ['--require', path.join(__dirname, 'primus-library.js'), `test/${transformer}.integration.js`];
    return mocha(work, words, { LIBRARY: library });
  });
}

module.exports = { primus, protocol };
