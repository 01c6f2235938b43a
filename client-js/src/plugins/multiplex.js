// Channels on one connection, in the format of npm's primus-multiplex: [type, id, channel(, payload)].
// Differences from it: a packet of a channel is never a `data` event of the connection too; falsy payloads arrive; after
// a loss a channel joins again under a new id and before what was written meanwhile, so that nothing of it is lost;
// arrays that belong to no channel are ordinary data.
({
  name: 'multiplex',
  library: null,
  // A server may ship the source text of this function alone: it must not use names from outside.
  client: function (primus) {
    var MESSAGE = 0;
    var SUBSCRIBE = 1;
    var UNSUBSCRIBE = 2;
    // News of the connection that channels pass on. `data` and `end` are a channel's own.
    var SHARED = [
      'open', 'close', 'error', 'destroy', 'timeout', 'offline', 'online', 'reconnect scheduled', 'reconnect',
      'reconnect timeout', 'reconnected', 'reconnect failed', 'gave up', 'readyStateChange'
    ];
    var Primus = primus.constructor;
    var Base = Primus.Stream || Primus.EventEmitter;
    var open = []; // channels that have not ended
    var names = Object.create(null); // of every channel that was ever asked for
    var count = 0;

    function Channel(name) {
      Base.call(this);
      this.channel = name;
      this.conn = primus;
      this.readyState = primus.readyState;
      this.writable = this.readable = true;
      this._ended = false;
      this._receive = primus.emitter ? primus.emitter.extend(this) : function () { return false; };
      this._join();
    }

    Channel.prototype = Object.create(Base.prototype);
    Channel.prototype.constructor = Channel;
    Channel.OPENING = Primus.OPENING;
    Channel.CLOSED = Primus.CLOSED;
    Channel.OPEN = Primus.OPEN;

    Channel.prototype._packet = function (type) {
      return [type, this.id, this.channel];
    };

    // A new id each time: the server may not have noticed yet that the connection with the old one is gone.
    Channel.prototype._join = function () {
      this.id = Math.random().toString(36).slice(2) + (++count).toString(36);
      this._joined = primus.readyState === Primus.OPEN;
      this._subscription = this._packet(SUBSCRIBE);
      primus.write(this._subscription);
    };

    Channel.prototype._finish = function () {
      this.writable = this.readable = false;
      this.emit('close');
      this.emit('end');
    };

    Channel.prototype._leave = function () {
      this._ended = true;
      open.splice(open.indexOf(this), 1);
    };

    Channel.prototype.write = function (data) {
      if (this._ended) return false;
      var packet = this._packet(MESSAGE);
      if (data !== undefined) packet.push(data);
      return primus.write(packet);
    };

    Channel.prototype.end = function (data) {
      var channel = this;
      if (channel._ended) return channel;
      if (data !== undefined) channel.write(data);
      channel._leave();
      primus.write(channel._packet(UNSUBSCRIBE));
      setTimeout(function () { channel._finish(); }, 0);
      return channel;
    };

    Channel.prototype.reserved = function (event) {
      return primus.reserved(event);
    };

    primus.channel = function (name) {
      if (!name) return primus;
      var channel = new Channel(String(name));
      names[channel.channel] = true;
      open.push(channel);
      return channel;
    };

    function find(id, name) {
      return open.filter(function (channel) { return channel.id === id && channel.channel === name; })[0];
    }

    primus.transform('incoming', function (packet) {
      var value = packet.data;
      if (!Array.isArray(value) || (value.length !== 3 && value.length !== 4)) return;
      if ((value[0] !== MESSAGE && value[0] !== UNSUBSCRIBE) || typeof value[1] !== 'string' || !names[value[2]]) return;
      var channel = find(value[1], value[2]);
      if (channel && value[0] === UNSUBSCRIBE) {
        channel._leave();
        channel._finish();
      } else if (channel && !channel._receive(value[3])) {
        channel.emit('data', value[3]);
      }
      // What is late for a channel that has ended is for nobody.
      return false;
    });

    function stateChanged(state) {
      open.forEach(function (channel) {
        channel.readyState = primus.readyState;
        if (state === 'end' && channel._joined) {
          channel._join();
        } else if (state === 'open') {
          // The queue goes out after this event; the subscription may have fallen out of it when it was full.
          if (primus.buffer.indexOf(channel._subscription) < 0) primus.write(channel._subscription);
          channel._joined = true;
        }
      });
    }

    SHARED.forEach(function (event) {
      primus.on(event, function () {
        var args = [event].concat(Array.prototype.slice.call(arguments));
        if (event === 'readyStateChange') stateChanged(args[1]);
        open.slice().forEach(function (channel) {
          // An `error` that nobody listens to would be thrown.
          if (event !== 'error' || channel.listeners('error').length) channel.emit.apply(channel, args);
        });
      });
    });
  }
})
