'use strict';

// Clients of python-socketio, each a process of its own.

const { execFile, spawn } = require('node:child_process');
const path = require('node:path');
const readline = require('node:readline');
const { promisify } = require('node:util');
const { Inbox } = require('./inbox');

const FOLDER = path.join(__dirname, '../../python');
const PYTHON = path.join(__dirname, '../../.python/bin/python');

const WAYS = { polling: ['polling'], WebSocket: ['websocket'], 'polling, then WebSocket': [] };

let installed;

// Makes sure that there is what the clients need, once.
function install() {
  installed ??= promisify(execFile)(path.join(FOLDER, 'install'));
  return installed;
}

// A client that is connected. `hear` is called with what comes from rooms. Gives how to ask on it.
async function open(t, url, way, hear) {
  await install();
  const child = spawn(PYTHON, ['-B', path.join(FOLDER, 'member.py'), url, ...WAYS[way]], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const inbox = new Inbox();
  readline.createInterface({ input: child.stdout }).on('line', (line) => {
    const told = JSON.parse(line);
    if (told.heard) hear(told.heard);
    else inbox.push(told);
  });
  const { transport } = await inbox.next();
  if (transport !== (way === 'polling' ? 'polling' : 'websocket')) throw new Error(`it uses ${transport}`);
  return async (packet) => {
    child.stdin.write(`${JSON.stringify(packet)}\n`);
    return (await inbox.take(({ answer }) => answer, `the answer to a ${packet.event}`)).answer;
  };
}

module.exports = { WAYS, install, open };
