'use strict';

// What people do on the demo page.

function demo(world) {
  async function visit(options) {
    const page = await world.open('/', options);
    await page.locator('#state[data-state=connected]').waitFor();
    return page;
  }

  async function say(page, text) {
    await page.getByLabel('Message', { exact: true }).fill(text);
    await page.getByRole('button', { name: 'Send' }).click();
  }

  function heard(page, text) {
    return page.locator('#messages .message', { hasText: text }).waitFor();
  }

  return { visit, say, heard };
}

module.exports = { demo };
