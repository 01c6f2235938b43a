'use strict';

// Autobahn's fuzzing client, a program of Python 2.7. Its exit code says nothing: what came of the cases is in a file.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { run } = require('./build');

const DOORS = ['/ws', '/primus'];
// Compression, which the server does not offer.
const EXCLUDED = ['12.*', '13.*'];
const OUTCOMES = { OK: 'passed', INFORMATIONAL: 'passed', 'NON-STRICT': 'tolerated' };

// What is installed after what: the later ones need the earlier ones to be built.
const PACKAGES = [
  ['setuptools==44.0.0', 'wheel==0.36.2', 'incremental==16.10.1'],
  ['pyOpenSSL==19.1.0', 'cryptography==3.3.2'],
  ['--no-build-isolation', 'Twisted==19.10.0'],
  ['--no-build-isolation', 'autobahntestsuite==25.10.1'],
];

function python() {
  const told = spawnSync('pyenv', ['prefix', '2.7.18'], { encoding: 'utf8' });
  if (told.status !== 0) throw new Error('autobahn: Python 2.7.18 is missing: install it with pyenv');
  return path.join(told.stdout.trim(), 'bin/python2.7');
}

// The program, installed once.
function wstest(work) {
  const program = path.join(work, 'env/bin/wstest');
  if (fs.existsSync(program)) return program;
  fs.mkdirSync(work, { recursive: true });
  const interpreter = python();
  const boot = path.join(work, 'boot');
  const quiet = ['-q', '--disable-pip-version-check', '--no-python-version-warning'];
  run(interpreter, ['-m', 'pip', 'install', ...quiet, '--target', boot, 'virtualenv<20.22']);
  run(interpreter, ['-m', 'virtualenv', '-q', path.join(work, 'env')], { env: { ...process.env, PYTHONPATH: boot } });
  for (const packages of PACKAGES) run(path.join(work, 'env/bin/pip'), ['install', ...quiet, ...packages]);
  return program;
}

// `1.10.2` behind `1.9.1`.
function byNumber([a], [b]) {
  const [left, right] = [a, b].map((id) => id.split('.').map(Number));
  const differs = left.findIndex((number, index) => number !== right[index]);
  return differs < 0 ? 0 : left[differs] - right[differs];
}

// What came of each case at each door.
function autobahn(work, url) {
  const program = wstest(work);
  const outdir = path.join(work, 'reports');
  const spec = path.join(work, 'spec.json');
  fs.rmSync(outdir, { recursive: true, force: true });
  const servers = DOORS.map((door) => ({ agent: door.slice(1), url: `${url.replace('http', 'ws')}${door}` }));
  fs.writeFileSync(spec, JSON.stringify({ outdir, servers, cases: ['*'], 'exclude-cases': EXCLUDED }));
  const log = fs.openSync(path.join(work, 'log.txt'), 'w');
  run(program, ['-m', 'fuzzingclient', '-s', spec], { cwd: work, stdio: ['ignore', log, log] });
  const index = JSON.parse(fs.readFileSync(path.join(outdir, 'index.json'), 'utf8'));
  return DOORS.flatMap((door) => Object.entries(index[door.slice(1)]).sort(byNumber).map(([id, { behavior, behaviorClose }]) => {
    const worst = [behavior, behaviorClose].map((word) => OUTCOMES[word] || 'failed');
    const outcome = ['failed', 'tolerated', 'passed'].find((word) => worst.includes(word));
    return { outcome, title: `${door} ${id}`, error: `${behavior}, closing: ${behaviorClose}` };
  }));
}

module.exports = { autobahn };
