'use strict';

// How the demo page looks, whatever connects it. SCREENSHOTS=<folder> keeps pictures of it.

const assert = require('node:assert/strict');
const path = require('node:path');
const { WAYS, suite, check } = require('./support/browser');
const { demo } = require('./support/demo');

suite('layout of the demo page', (world) => {
  const { visit, say, heard } = demo(world);

  check('everything is named, reachable by keyboard, and fits a narrow screen', async () => {
    const page = await visit({ viewport: { width: 390, height: 844 } });
    const unnamed = await page.evaluate(() => [...document.querySelectorAll('input, select, button')].filter((control) => {
      const label = control.labels && [...control.labels].map((node) => node.textContent).join('');
      return !(label || control.getAttribute('aria-label') || control.textContent).trim();
    }).length);
    assert.equal(unnamed, 0);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);

    const reached = new Set();
    for (let step = 0; step < 60; step++) {
      await page.keyboard.press('Tab');
      reached.add(await page.evaluate(() => document.activeElement.id || document.activeElement.textContent));
    }
    for (const id of ['cut', 'link', 'messages', 'name', 'text', 'path', 'clear', 'log', 'request', 'response']) {
      assert.ok(reached.has(id), id);
    }
    for (const text of ['Join', 'Leave', 'Send', 'status', 'cacheTest', 'Get']) assert.ok(reached.has(text), text);
  });

  for (const colorScheme of ['light', 'dark']) {
    for (const width of [1280, 390]) {
      check(`fits and can be pictured: ${colorScheme}, ${width} px`, async () => {
        const page = await visit({ colorScheme, viewport: { width, height: width === 390 ? 844 : 900 } });
        const guest = await visit();
        await guest.getByLabel('Your name').fill('Ada');
        await say(guest, 'Is anybody here?');
        await heard(page, 'Is anybody here?');
        await say(page, 'Yes, and nothing gets lost on the way.');
        await say(guest, 'A longer one, to see how lines wrap when somebody has more to tell than fits into a single '
          + 'line. <b>Not bold.</b>');
        await heard(page, 'Not bold');
        await page.locator('form[data-action=formattedSum] button').click();
        await page.locator('#call[data-state=ok]').waitFor();
        await page.getByRole('button', { name: 'images/logo.png' }).click();
        await page.locator('#file-view img').waitFor();
        const folder = process.env.SCREENSHOTS;
        const shot = (name, options) => page.screenshot({
          ...(folder && { path: path.join(folder, `${colorScheme}-${width}-${name}.png`) }), ...options,
        });
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(overflow <= 0, `nothing is wider than the window, but by ${overflow} px`);
        await page.evaluate(() => scrollTo(0, 0));
        await shot('connected', { fullPage: true });
        await page.getByRole('button', { name: 'Cut my network' }).click();
        await page.locator('#state[data-state=reconnecting]').waitFor();
        await shot('cut');
        assert.deepEqual(page.problems, []);
      });
    }
  }
}, [WAYS[0]]);
