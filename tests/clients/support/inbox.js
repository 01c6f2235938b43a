'use strict';

// What one client has received and no test has looked at yet, in order.

const { limited } = require('./wait');

class Inbox {
  constructor() {
    this.unread = [];
    this.waiting = [];
  }

  push(value) {
    const index = this.waiting.findIndex(({ wanted }) => wanted(value));
    if (index < 0) this.unread.push(value);
    else this.waiting.splice(index, 1)[0].resolve(value);
  }

  // The next value, whatever it is.
  next() {
    return this.take(() => true, 'something to read');
  }

  // The first value that is wanted, now or later. What came before it stays unread.
  take(wanted, what = 'a packet') {
    const index = this.unread.findIndex(wanted);
    if (index >= 0) return Promise.resolve(this.unread.splice(index, 1)[0]);
    return limited(new Promise((resolve) => this.waiting.push({ wanted, resolve })), what);
  }

  async takeMany(count, wanted = () => true) {
    const values = [];
    while (values.length < count) values.push(await this.take(wanted, `packet ${values.length + 1} of ${count}`));
    return values;
  }

  response(messageCount) {
    return this.take(
      (packet) => packet.context === 'response' && packet.messageCount === messageCount,
      `the response ${messageCount}`,
    );
  }

  said() {
    return this.take((packet) => packet.context === 'user', 'something said');
  }
}

module.exports = { Inbox };
