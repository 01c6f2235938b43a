// Messages: through the transforms, the codec and the queue, and those of the protocol itself.

function json(encode) {
  return function (data, fn) {
    var error, value;
    try {
      // Frames of bytes are none of JSON's business.
      value = encode ? JSON.stringify(data) : typeof data === 'string' ? JSON.parse(data) : data;
    } catch (reason) {
      error = reason;
    }
    fn(error, value);
  };
}

proto.encoder = parser ? parser.encoder : json(true);
proto.decoder = parser ? parser.decoder : json();

// One parameter or none: synchronous, false drops the message. Otherwise it gets `next(error, false or nothing)`.
proto.transform = function (type, fn) {
  own(this, 'transform');
  if (!this.transformers[type]) this.critical(new Error('Invalid transformer type'));
  else this.transformers[type].push(fn);
  return this;
};

// Messages of one direction stand in line: while a transform takes its time, later ones wait.
proto._transform = function (type, data, fn) {
  var line = this._lines[type];
  line.push({ _packet: { data: data }, _fns: this.transformers[type].slice(), _fn: fn });
  if (line.length === 1) this._proceed(line);
};

// Works through the line until it is empty, or a transform keeps its front.
proto._proceed = function (line) {
  var self = this;
  var job, isWaiting, isInside;

  function step() {
    var fn = job._fns.shift();
    var isDone = false;
    var value;

    function next(error, value, isThrown) {
      if (isDone) return;
      isDone = true;
      if (error || value === false) {
        job._fn = null;
        job._fns = [];
      }
      if (error) self._raise(error, isThrown);
      isWaiting = false;
      if (!isInside) self._proceed(line);
    }

    if (!fn) {
      // It leaves the line last: what its receiver writes stands behind what waits already.
      try {
        if (job._fn && !self._isDestroyed) job._fn.call(self, job._packet);
        job = null;
      } finally {
        line.shift();
        // The receiver has thrown. That is its affair, not that of the next message.
        if (job && line.length) setTimeout(function () { self._proceed(line); }, 0);
      }
      return;
    }
    isWaiting = true;
    try {
      value = fn.call(self, job._packet, next);
    } catch (error) {
      next(error, value, true);
    }
    if (fn.length < 2) next(null, value);
  }

  isInside = true;
  while (!isWaiting && (job = line[0])) step();
  isInside = false;
};

// True, or false when nothing will ever be sent again.
proto.write = function (data) {
  own(this, 'write');
  if (this._isDestroyed) return false;
  this._transform('outgoing', data, function (packet) { this._write(packet.data); });
  return true;
};

// Past the transforms: into the socket, or into the queue until there is one.
proto._write = function (data) {
  var self = this;
  var buffer = self.buffer;
  if (self.readyState !== OPEN) {
    buffer.push(data);
    while (buffer.length > self.options.queueSize) self.emit('dropped', buffer.shift());
    return;
  }
  self.encoder(data, function (error, packet) {
    if (error) return self._raise(error);
    if (packet === undefined) return;
    // Valid in JSON, but the end of a line in old JavaScript.
    if (typeof packet === 'string') packet = packet.replace(/\u2028/g, '\\u2028').replace(/\u2029/g, '\\u2029');
    self.emit('outgoing::data', packet);
  });
};

proto._flush = function () {
  // Without the second argument engines of ES5 take out nothing.
  this.buffer.splice(0, this.buffer.length).forEach(this._write, this);
};

// Of a message only, the connection stays as it is.
proto._raise = function (error, isThrown) {
  if (this.emit('error', asError(error)) || !isThrown) return;
  // Nobody listens, but a mistake of the program has to show.
  setTimeout(function () { throw error; }, 0);
};

proto._receive = function (raw) {
  var self = this;
  self.heartbeat();
  self.decoder(raw, function (error, data) {
    if (error) return self._raise(error);
    if (self.protocol(data)) return;
    self._transform('incoming', data, function (packet) { self.emit('data', packet.data, raw); });
  });
};

// True if it was a message of the protocol. Without a second part the name lacks its last character, as in Primus.
proto.protocol = function (text) {
  var end, name, value;
  if (typeof text !== 'string' || text.indexOf('primus::')) return false;
  end = text.indexOf(':', 8);
  name = text.slice(8, end);
  value = text.slice(end + 2);
  if (name === 'ping') {
    this.emit('incoming::ping', +value);
  } else if (name === 'id') {
    this.emit('incoming::id', value);
  } else if (name === 'server') {
    if (value === 'close') this.disconnect = true;
    if (/^retry::\d+$/.test(value)) this._hint = +value.slice(7);
  } else {
    return false;
  }
  return true;
};

// The id that the server knows the connection by.
proto.id = function (fn) {
  own(this, 'id');
  this.once('incoming::id', fn);
  this._write('primus::id::');
  return this;
};
