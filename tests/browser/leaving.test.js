'use strict';

// Pages that are left, in a browser that keeps them to go back to, as browsers of people do.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const http = require('node:http');
const { after, before } = require('node:test');
const { WAYS, SOCKETIO_WAYS, suite, check } = require('./support/browser');

const KEEPING = [...WAYS, ...SOCKETIO_WAYS].map((way) => ({ ...way, keepsPages: true }));
const ELSEWHERE = '/simple.html?elsewhere';

suite('a page that is left', (world) => {
  // Answers with a file to be saved, as pages for downloads do.
  const downloads = http.createServer((request, response) => {
    response.writeHead(200, { 'Content-Disposition': 'attachment; filename="a.txt"' });
    response.end('saved');
  });

  before(async () => {
    downloads.listen(0, '127.0.0.1');
    await once(downloads, 'listening');
  });

  after(() => {
    downloads.close();
    downloads.closeAllConnections();
  });

  // A page of its own context, with a member of the lobby.
  async function member() {
    const page = await world.blank(() => {});
    await join(page);
    return page;
  }

  function join(page) {
    return page.evaluate(() => {
      window.shown = [];
      addEventListener('pageshow', (event) => shown.push(event.persisted));
      window.client = new StellarClient({ rooms: ['lobby'], connectTimeout: 0, fallbackTimeout: 0 });
      client.seen = [];
      ['connected', 'disconnected', 'reconnecting', 'reconnect', 'error'].forEach((name) => {
        client.on(name, () => client.seen.push(name));
      });
      return client.connect();
    });
  }

  // Another client of the lobby.
  async function watcher() {
    const page = await world.blank();
    await page.evaluate(() => make({ rooms: ['lobby'] }).connect());
    return {
      sees: (count) => page.evaluate(async (wanted) => {
        while ((await client.roomView('lobby')).membersCount !== wanted);
      }, count),
      hears: (text) => page.evaluate((wanted) => new Promise((resolve) => {
        const look = () => client.seen.some(([name, packet]) => name === 'say' && packet.message === wanted) && resolve();
        client.on('say', look);
        look();
      }), text),
    };
  }

  function follow(page, address) {
    const arrived = page.waitForURL((url) => url.href.endsWith(address), { waitUntil: 'load' });
    return Promise.all([arrived, page.evaluate((href) => { location.href = href; }, address)]);
  }

  check('is gone at once, and comes back with its rooms', async () => {
    const page = await member();
    const others = await watcher();
    await others.sees(2);
    await follow(page, ELSEWHERE);
    await others.sees(1);

    await page.goBack({ waitUntil: 'commit' });
    await page.waitForFunction(() => client.state === 'connected');
    await others.sees(2);
    const [shown, seen, rooms] = await page.evaluate(() => [shown, client.seen, client.rooms]);
    assert.deepEqual(shown, [true], 'the browser has kept the page');
    assert.deepEqual(seen, ['connected', 'disconnected', 'reconnecting', 'reconnect', 'connected']);
    assert.deepEqual(rooms, ['lobby']);
  });

  check('leaves one member behind it, however many came before it in the same tab', async () => {
    const others = await watcher();
    const page = await member();
    for (let count = 2; count <= 5; count++) {
      await follow(page, `${ELSEWHERE}=${count}`);
      await page.addScriptTag({ url: '/stellar-client' });
      await join(page);
    }
    await others.sees(2);
  });

  check('has its last words heard', async () => {
    const others = await watcher();
    const page = await member();
    await page.evaluate((href) => {
      client.say('lobby', 'in the last moment');
      location.href = href;
    }, ELSEWHERE);
    await others.hears('in the last moment');
    await others.sees(1);
  });

  check('has what its own listeners say heard', async () => {
    const others = await watcher();
    const page = await world.blank(() => {});
    await page.evaluate(() => addEventListener('pagehide', () => { client.say('lobby', 'while it goes'); }));
    await join(page);
    await follow(page, ELSEWHERE);
    await others.hears('while it goes');
    await others.sees(1);
  });

  check('is not what a link to a download makes of it', async () => {
    const page = await member();
    const id = await page.evaluate(() => client.id);
    const download = page.waitForEvent('download');
    await page.evaluate((href) => {
      addEventListener('beforeunload', () => { window.isAsked = true; });
      location.href = href;
    }, `http://127.0.0.1:${downloads.address().port}/`);
    await (await download).path();
    await page.evaluate(() => client.detailsView());
    assert.equal(await page.evaluate(() => window.isAsked), true);
    assert.deepEqual(await page.evaluate(() => [client.id, client.seen]), [id, ['connected']]);
  });
}, KEEPING);
