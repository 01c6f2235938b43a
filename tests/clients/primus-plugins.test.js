'use strict';

// The plugins that come along, with the client parts of npm and with our own.

const assert = require('node:assert/strict');
const { after, describe, it } = require('node:test');
const { KINDS, connect, generated, npm, start } = require('./support/plugins');
const { limited, raised } = require('./support/wait');

const server = start({ after });

// The npm client lives in a realm of its own: its values are copied into this one, to be compared.
const answered = (what, ask) => limited(new Promise((done) => ask((...values) => done(structuredClone(values)))), what);

for (const [name, kind] of Object.entries(KINDS)) {
  describe(name, () => {
    it('sends events and gets acknowledgements', async (t) => {
      const client = await connect(t, await server, kind);
      assert.deepEqual(await answered('a sum', (done) => client.send('sum', 19, 23, done)), [42]);
      assert.deepEqual(await answered('no sum', (done) => client.send('sum', 'x', done)), [null]);
    });

    it('acknowledges events', async (t) => {
      const client = await connect(t, await server, kind);
      client.on('question', (value, ack) => ack(value.n + 1, 'é\u2028'));
      const answer = await answered('the answer', (done) => client.send('ask me', { n: 6 }, done));
      assert.deepEqual(answer, [[7, 'é\u2028']]);
    });

    it('makes requests and answers them', async (t) => {
      const client = await connect(t, await server, kind);
      client.on('request', (data, done) => done({ re: data }));
      for (const value of ['text', { deep: [1, null] }, 0, false]) {
        assert.deepEqual(await answered('an echo', (done) => client.writeAndWait(value, done)), [value]);
      }
      const answer = await answered('its own answer', (done) => client.writeAndWait({ ask: 'how?' }, done));
      assert.deepEqual(answer, [{ re: 'how?' }]);
    });

    it('may say a text that was cut inside an emoji', async (t) => {
      const client = await connect(t, await server, kind);
      const half = 'nice 😀'.slice(0, -1);
      const whole = half.toWellFormed();
      assert.deepEqual(await answered('no sum', (done) => client.send('sum', half, { [half]: half }, done)), [null]);
      for (const [value, echo] of [[half, whole], [{ [half]: [half] }, { [whole]: [whole] }]]) {
        assert.deepEqual(await answered('an echo', (done) => client.writeAndWait(value, done)), [echo]);
      }
      const room = `${half} of ${name}`;
      const joined = room.toWellFormed();
      const bob = await connect(t, await server, kind);
      for (const member of [client, bob]) {
        assert.deepEqual(await answered('a room', (done) => member.send('join', room, done)), [[joined]]);
      }
      const said = raised(bob, 'said');
      client.send('say', room, half);
      assert.deepEqual(structuredClone(await said), [joined, whole]);
      const channel = client.channel('news');
      const heard = raised(channel, 'data');
      channel.write(half);
      assert.deepEqual(structuredClone(await heard)[0], whole);
    });

    it('hears what is said in its rooms', async (t) => {
      const [ann, bob] = [await connect(t, await server, kind), await connect(t, await server, kind)];
      const room = `room of ${name}`;
      assert.deepEqual(await answered('a room', (done) => ann.send('join', room, done)), [[room]]);
      assert.deepEqual(await answered('a room', (done) => bob.send('join', room, done)), [[room]]);
      const said = raised(bob, 'said');
      ann.send('say', room, 'hello');
      assert.deepEqual(structuredClone(await said), [room, 'hello']);
      assert.deepEqual(await answered('no room', (done) => bob.send('leave', room, done)), [[]]);
      const heard = [];
      bob.on('said', (...args) => heard.push(args));
      ann.send('say', room, 'are you there?');
      // What came after it has an answer, so that it has been dealt with.
      await answered('a sum', (done) => ann.send('sum', 1, 1, done));
      await answered('a sum', (done) => bob.send('sum', 1, 1, done));
      assert.deepEqual(heard, []);
    });

    it('has channels that keep apart and end', async (t) => {
      const client = await connect(t, await server, kind);
      const [one, two] = [client.channel('news'), client.channel('news')];
      const [first, second] = [raised(one, 'data'), raised(two, 'data')];
      one.write({ to: 'one' });
      two.write({ to: 'two' });
      assert.deepEqual(structuredClone([(await first)[0], (await second)[0]]), [{ to: 'one' }, { to: 'two' }]);
      assert.deepEqual(await answered('twice', (done) => one.send('double', 21, done)), [42]);
      const ended = raised(one, 'end');
      one.write('end');
      await ended;
      const still = raised(two, 'data');
      two.write('still here');
      assert.equal((await still)[0], 'still here');
      const left = raised(two, 'end');
      two.end();
      await left;
    });

    it('has its channels again after a loss', async (t) => {
      const client = await connect(t, await server, kind);
      const channel = client.channel('news');
      assert.deepEqual(await answered('twice', (done) => channel.send('double', 1, done)), [2]);
      const back = raised(client, 'reconnected');
      client.send('drop me');
      await back;
      assert.deepEqual(await answered('twice', (done) => channel.send('double', 2, done)), [4]);
    });
  });
}

for (const [name, construct] of [['npm primus with primus-emit', npm('websockets', ['emit'])], ['the generated client', generated]]) {
  it(`${name} emits plain events`, async (t) => {
    const room = `plain room of ${name}`;
    const listener = await connect(t, await server, [generated, {}]);
    await answered('a room', (done) => listener.send('join', room, done));
    const client = await connect(t, await server, [construct, {}]);
    const said = raised(listener, 'said');
    assert.equal(client.emit('say', room, { a: 1 }), true);
    assert.deepEqual(await said, [room, { a: 1 }]);
  });
}

it('the generated client fails what cannot be answered any more', async (t) => {
  const client = await connect(t, await server, [generated, {}]);
  const channel = client.channel('news');
  const answers = [
    (done) => client.send('unheard', done), (done) => channel.send('unheard', done), (done) => client.send('drop me', done),
  ].map((ask) => limited(new Promise(ask), 'a failure'));
  for (const error of await Promise.all(answers)) assert.equal(error.code, 'ECONNRESET');
});

it('what has the form of no plugin is data', async (t) => {
  const client = await connect(t, await server, [generated, {}]);
  for (const value of [null, 0, '', [0, 'a', 'b'], { emit: 1 }, { type: 0, data: 'sum' }, { plugin: 'other' }]) {
    const echo = raised(client, 'data');
    client.write(value);
    assert.deepEqual((await echo)[0], value);
  }
});
