// Opening, losing, ending. A transport is driven by `outgoing::open`, `data`, `end` and `reconnect`, and tells what
// happens by `incoming::open`, `data`, `error` and `end`.

function asError(reason) {
  var error = reason;
  if (!(reason instanceof Error)) {
    error = new Error(reason && typeof reason === 'object' ? reason.message || 'Connection error' : reason);
    Object.keys(Object(reason)).forEach(function (key) { error[key] = reason[key]; });
  }
  return error;
}

proto._change = function (state, name) {
  if (this.readyState === state) return;
  this.readyState = state;
  if (state !== OPENING) this.writable = this.readable = state === OPEN;
  this.emit('readyStateChange', name);
};

proto._has = function (strategy) {
  return this.options.strategy.split(',').indexOf(strategy) >= 0;
};

// Before the transport listens, so that the state is right when it acts.
proto.initialise = function () {
  var self = this;
  self.on('outgoing::open', function () {
    self._isEnded = false;
    self._change(OPENING, 'opening');
  });
  self.on('incoming::open', self._opened);
  self.on('incoming::data', self._receive);
  self.on('incoming::ping', self._pinged);
  self.on('incoming::error', self._failed);
  self.on('incoming::end', self._lost);
};

proto._drop = function () {};

proto.open = function () {
  own(this, 'open');
  if (this._isDestroyed) return this;
  this.timers.clear('open');
  if (!this.recovery.reconnecting() && this.options.timeout) this.timeout();
  this.emit('outgoing::open');
  return this;
};

// The limit for the first connection; attempts to come back have their own.
proto.timeout = function () {
  var self = this;
  self.timers.setTimeout('connect', function () {
    if (self.readyState === OPEN || self.recovery.reconnecting()) return;
    self.emit('timeout');
    if (self.readyState !== OPENING) return;
    if (self._has('timeout')) self.recovery.reconnect(new Error('Failed to connect in a timely manner'));
    else self._end();
  }, self.options.timeout);
  return self;
};

proto._opened = function () {
  var self = this;
  // A listener of any of these may end it.
  function goesOn() { return self.readyState === OPENING; }
  if (!goesOn()) return;
  self.timers.clear('connect');
  self.disconnect = false;
  self._hint = undefined;
  self.recovery.reconnected();
  if (goesOn() && !self.online) {
    self.online = true;
    self.emit('online');
  }
  if (!goesOn()) return;
  self._change(OPEN, 'open');
  self.heartbeat();
  self._flush();
  if (self.readyState === OPEN) self.emit('open');
};

// Restarts the clock of silence. Transports call it for whatever they hear.
proto.heartbeat = function () {
  var self = this;
  var limit = self.options.pingTimeout;
  if (!limit || self.readyState !== OPEN) return self;
  self.timers.setTimeout('heartbeat', function () {
    if (!self.online) return;
    self.online = false;
    self.emit('offline');
    self._drop(); // silent, but it may still stand
    self.emit('incoming::end');
  }, limit);
  return self;
};

proto._pinged = function (value) {
  if (this.readyState !== OPEN) return;
  this.online = true;
  this.emit('outgoing::pong', value);
  this._write('primus::pong::' + value);
};

proto._failed = function (reason) {
  var self = this;
  var error = asError(reason);
  self.timers.clear('connect');
  // During the way back its events tell of failures.
  if (self.recovery.reconnecting()) return self.recovery.reconnected(error);
  self.emit('error', error);
  if (self.readyState !== OPENING) return;
  if (self._has('timeout')) self.recovery.reconnect(error);
  else self._end();
};

proto._lost = function (info) {
  var self = this;
  var state = self.readyState;
  if (state === CLOSED) return;
  self.timers.clear('heartbeat', 'connect');
  self._change(CLOSED, 'end');
  if (self.disconnect || isFinal(info)) {
    self._isEnded = true;
    return self._finish(info);
  }
  // An attempt has failed, and what follows is under way already.
  if (state !== OPEN) return;
  // Firefox closes sockets when a link is followed, also if it leads to a download and the page stays. It gives no
  // reason for it.
  if (info && info.code === 1001 && !info.reason) self._hint = 0;
  self.emit('close', info);
  if (self._has('disconnect') && !self._isEnded) {
    self.recovery.reconnect();
  } else if (!self._isDestroyed) {
    self.emit('outgoing::end');
    self.emit('end');
  }
};

proto._finish = function (info) {
  this.disconnect = false;
  this.timers.clear();
  this.recovery.reset();
  this.emit('outgoing::end');
  this.emit('close', info);
  this.emit('end');
};

// For good, until somebody calls `open`.
proto.end = function (data) {
  own(this, 'end');
  this._isEnded = true; // nor may the network call it back
  return this._end(data);
};

proto._end = function (data) {
  var self = this;
  if (self.readyState === CLOSED && !self.timers.active('connect') && !self.timers.active('open')) {
    if (self.recovery.reconnecting()) {
      self.recovery.reset();
      self.emit('end');
    }
    return self;
  }
  if (data !== undefined) self.write(data);
  self.writable = self.readable = false;
  self._change(CLOSED, 'end');
  self._finish();
  return self;
};

proto.destroy = function () {
  var self = this;
  own(self, 'destroy');
  if (self._isDestroyed) return false;
  self.end();
  self._isDestroyed = true;
  self.timers.end();
  self.recovery.reset();
  self.buffer = [];
  self._leaveNetwork();
  self.emit('destroy');
  self.removeAllListeners();
  return true;
};
