'use strict';

// A suite has one server and one browser. Each test starts with fresh documents.

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
const LIMIT = 15000;

// `define` gets the world: `{server, open, blank}`. Without a browser the suite is skipped, but in CI it fails.
function suite(name, define) {
  const skip = !fs.existsSync(CHROMIUM) && !process.env.CI && MISSING;
  describe(name, { skip }, () => {
    const world = { server: new Server() };
    const idle = []; // pages to be used again: a new one costs more than most tests
    const busy = [];
    const special = []; // contexts of one test
    let browser;

    before(async () => {
      if (!fs.existsSync(CHROMIUM)) throw new Error(MISSING);
      await world.server.start();
      browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
    });

    afterEach(async () => {
      await Promise.all(special.splice(0).map((context) => context.close()));
      const left = busy.splice(0).filter((page) => !page.isClosed());
      await Promise.all(left.map((page) => page.goto('about:blank')));
      idle.push(...left);
    });

    after(() => Promise.all([browser && browser.close(), world.server.child && world.server.stop()]));

    async function create(options) {
      const page = await browser.newPage(options);
      page.setDefaultTimeout(LIMIT);
      page.on('pageerror', (error) => page.problems.push(error.message));
      page.on('console', (message) => {
        if (message.type() === 'error') page.problems.push(message.text());
      });
      return page;
    }

    // A page at an address of the server. One with `options`, or with something to `prepare` before it loads, is not
    // used again.
    world.open = async (address, options, prepare) => {
      const isSpecial = options || prepare;
      const page = (!isSpecial && idle.pop()) || await create(options);
      if (isSpecial) special.push(page.context());
      else busy.push(page);
      page.problems = [];
      if (prepare) await prepare(page);
      await page.goto(world.server.url + address);
      return page;
    };

    // A page with the served script and the tools of inpage.js, nothing else.
    world.blank = async (prepare) => {
      const page = await world.open('/simple.html', undefined, prepare);
      await page.addScriptTag({ url: '/stellar-client' });
      await page.addScriptTag({ path: path.join(__dirname, 'inpage.js') });
      return page;
    };

    define(world);
  });
}

// A test with a limit, so that a promise that never settles fails here and not elsewhere.
function check(name, ...args) {
  const body = args.pop();
  it(name, { timeout: 30000, ...args[0] }, body);
}

module.exports = { suite, check };
