'use strict';

// A suite runs once for each way to be connected, with a server of its own. Each test starts with fresh documents.

const fs = require('node:fs');
const path = require('node:path');
const { after, afterEach, before, describe, it } = require('node:test');
const { chromium } = require('playwright-core');
const { Server } = require('./server');

const CHROMIUM = process.env.CHROMIUM || '/usr/bin/chromium';
const MISSING = `no browser at ${CHROMIUM}: run "apt-get install chromium", or set CHROMIUM`;
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync',
  '--disable-background-networking', '--disable-component-update',
  // Pages that a test makes up count as foreign, and those may not connect to this machine.
  '--disable-features=LocalNetworkAccessChecks',
];
const LIMIT = 60000; // of one step; only a failing test comes to it

// `transports` are those of the server, `lacks` what a page does not have, `transport` what then carries its connection,
// and `meaningless` lists the tests that say nothing there.
const WAYS = [
  { name: 'WebSocket', transports: 'ws', lacks: [], transport: 'ws' },
  { name: 'polling', transports: 'polling', lacks: ['WebSocket', 'fetch'], transport: 'polling' },
  {
    name: 'polling, at a server with WebSocket', transports: 'ws,polling', lacks: ['WebSocket', 'fetch'],
    transport: 'polling',
  },
];

// The script that rides socket.io. What is not JSON is no packet of socket.io either: such a connection ends.
const SOCKETIO = {
  transports: 'socketio',
  meaningless: ['alert, for a frame that is not JSON, and the connection stays usable'],
};
const SOCKETIO_WAYS = [
  { ...SOCKETIO, name: 'socket.io on WebSocket', lacks: [], transport: 'socketio' },
  { ...SOCKETIO, name: 'socket.io by polling', lacks: ['WebSocket', 'fetch'], transport: 'socketio-polling' },
];

// One for the file, started when first needed. Drivers of browsers have them throw away the pages that are left; a way that
// `keepsPages` has them kept to go back to, as for people.
let launched;

function launch({ keepsPages }) {
  if (!fs.existsSync(CHROMIUM)) throw new Error(MISSING);
  const ignoreDefaultArgs = keepsPages ? ['--disable-back-forward-cache'] : [];
  launched = launched || chromium.launch({ executablePath: CHROMIUM, args: FLAGS, ignoreDefaultArgs });
  return launched;
}

after(async () => { if (launched) await (await launched).close(); });

// `define` gets the world: `{way, server, open, blank}`. Without a browser the suite is skipped, but in CI it fails.
function suite(name, define, ways = WAYS) {
  const skip = !fs.existsSync(CHROMIUM) && !process.env.CI && MISSING;
  describe(name, { skip, concurrency: true }, () => {
    for (const way of ways) describe(`by ${way.name}`, { concurrency: 1 }, () => perform(way, define));
  });
}

function perform(way, define) {
  const world = { way, server: new Server(way.transports, way) };
  const idle = []; // pages to be used again: a new one costs more than most tests
  const busy = [];
  const special = []; // contexts of one test
  let browser;

  before(async () => {
    browser = await launch(way);
    await world.server.start();
  });

  afterEach(async () => {
    await Promise.all(special.splice(0).map((context) => context.close()));
    const left = busy.splice(0).filter((page) => !page.isClosed());
    await Promise.all(left.map((page) => page.goto('about:blank')));
    idle.push(...left);
  });

  after(async () => {
    await Promise.all(idle.map((page) => page.context().close()));
    if (world.server.child) await world.server.stop();
  });

  async function create(options) {
    const page = await browser.newPage(options);
    page.setDefaultTimeout(LIMIT);
    await page.addInitScript((lacks) => lacks.forEach((global) => delete window[global]), way.lacks);
    page.on('pageerror', (error) => page.problems.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') page.problems.push(message.text());
    });
    return page;
  }

  // A page at an address of the server, or at another origin. One with `options`, or with something to `prepare` before
  // it loads, is not used again.
  world.open = async (address, options, prepare) => {
    const isSpecial = options || prepare;
    const page = (!isSpecial && idle.pop()) || await create(options);
    if (isSpecial) special.push(page.context());
    else busy.push(page);
    page.problems = [];
    if (prepare) await prepare(page);
    await page.goto(new URL(address, world.server.url).href);
    return page;
  };

  // A page with the served script and the tools of inpage.js, nothing else.
  world.blank = async (prepare) => {
    const page = await world.open('/simple.html', undefined, prepare);
    await page.addScriptTag({ url: '/stellar-client' });
    await page.addScriptTag({ path: path.join(__dirname, 'inpage.js') });
    return page;
  };

  defined = way;
  define(world);
}

// The way whose tests are being defined.
let defined;

// A test with a limit, so that a promise that never settles fails here and not elsewhere.
function check(name, ...args) {
  const body = args.pop();
  if (defined.meaningless?.includes(name)) return;
  it(name, { timeout: 4 * LIMIT, ...args[0] }, body);
}

module.exports = { WAYS, SOCKETIO_WAYS, suite, check };
