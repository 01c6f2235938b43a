'use strict';

// The server that a suite is run against: built, started on a free port, and stopped.

const { spawn, spawnSync } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');

const ROOT = path.join(__dirname, '../../..');

// Runs a command to its end, and fails as it does.
function run(command, words, options = {}) {
  const { status, error } = spawnSync(command, words, { stdio: ['ignore', 2, 2], cwd: ROOT, ...options });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${words.join(' ')} exited with ${status}`);
}

// Builds what suites need, and resolves to the path of one program. STELLAR_BIN names the build to use instead.
function build(program) {
  if (process.env.STELLAR_BIN) return path.join(path.dirname(process.env.STELLAR_BIN), program);
  run('cargo', ['build', '--quiet', '--bins', '--example', 'suite_echo']);
  return path.join(process.env.CARGO_TARGET_DIR || path.join(ROOT, 'target'), 'debug', program);
}

// Starts a server, and calls `use` with its URL once it has told it.
async function serving(bin, words, use) {
  const child = spawn(bin, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const leave = () => child.kill('SIGKILL');
  process.once('exit', leave);
  try {
    const url = await new Promise((resolve, reject) => {
      let output = '';
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`${bin} exited with ${code}`)));
      child.stdout.on('data', (text) => {
        output += text;
        const ready = /http:\/\/127\.0\.0\.1:\d+/.exec(output);
        if (ready) resolve(ready[0]);
      });
    });
    return await use(url);
  } finally {
    leave();
    await exited;
    process.off('exit', leave);
  }
}

module.exports = { ROOT, build, run, serving };
