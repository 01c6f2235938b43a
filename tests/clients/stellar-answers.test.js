'use strict';

// The served client script: which call an answer ends, when some packets cannot be read by the server.

const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');
const { Server } = require('./support/server');
const { load, make, requester } = require('./support/stellar');

const WAYS = [['ws', 'ws'], ['polling', 'polling'], ['socketio', 'socketio'], ['socketio-polling', 'socketio']];

// More levels than the server reads.
function nested(levels) {
  let value = [];
  for (let level = 1; level < levels; level++) value = [value];
  return value;
}

// What is JSON, and refused before it is read to its end.
const REFUSED = {
  '130 nested arrays': (client) => client.say('defaultRoom', nested(130)),
  'too many keys': (client) => client.send(Object.fromEntries(Array.from({ length: 100 }, (_, key) => [`key${key}`, key]))),
  'an unknown verb': (client) => client.send({ event: 'nonsense' }),
  'no verb at all': (client) => client.send({}),
};

describe('the answers of the server reach the calls that asked', () => {
  const server = new Server();
  before(() => server.start());
  after(() => server.kill());

  for (const [name, transport] of WAYS) {
    for (const [what, tell] of Object.entries(REFUSED)) {
      it(`after ${what}, over ${name}`, async (t) => {
        const client = await make(t, server, {
          rooms: ['defaultRoom'], transports: [name], XMLHttpRequest: requester(t), callTimeout: 20000,
        }, load(server, transport));
        await client.connect();
        // However the server takes it: answered, or not at all.
        const told = Promise.resolve(tell(client)).catch(() => {});
        const sums = Array.from({ length: 20 }, (_, n) => client.action('formattedSum', { a: n, b: 1 }));
        const views = Array.from({ length: 5 }, () => client.roomView('defaultRoom'));
        const first = await Promise.all(sums);
        first.forEach((sum, n) => assert.equal(sum.formatted, `${n} + 1 = ${n + 1}`));
        for (const view of await Promise.all(views)) assert.equal(view.room, 'defaultRoom');
        await told;
        // And for the life of the connection.
        assert.equal((await client.action('formattedSum', { a: 1, b: 1 })).formatted, '1 + 1 = 2');
        assert.equal((await client.detailsView()).id, client.id);
      });
    }

    it(`send gives back the caller's messageId, over ${name}`, async (t) => {
      const client = await make(t, server, { transports: [name], XMLHttpRequest: requester(t) }, load(server, transport));
      await client.connect();
      const answers = await Promise.all(['mine', 'mine', 7].map((messageId) => client.send({ event: 'detailsView', messageId })));
      assert.deepEqual(answers.map(({ messageId }) => messageId), ['mine', 'mine', 7]);
      const params = { action: 'formattedSum', a: 1, b: 2 };
      const sum = await client.send({ event: 'action', params });
      assert.deepEqual([sum.formatted, sum.context, 'messageId' in sum], ['1 + 2 = 3', 'response', false]);
      const refused = await client.send({ event: 'roomView', room: 'nowhere' });
      assert.notEqual(refused.status, 'OK');
    });
  }
});
