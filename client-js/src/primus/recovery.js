// The way back after a loss:
//
//   reconnect ──> waiting ──delay──> attempt ──open──────────────> reconnected
//                    ^                  │
//                    └──error, timeout──┴──the last of them──────> reconnect failed, gave up
//
// One options object lives as long as the outage and goes to the listeners of every step.

function Recovery(client) {
  var options = client.options.reconnect;
  var self = this;
  function number(name, byDefault) {
    self[name] = duration(options[name], byDefault);
  }
  self._client = client;
  self.attempt = null;
  number('reconnect timeout', 30000);
  number('retries', 10);
  number('factor', 2);
  number('max', Infinity);
  number('min', 500);
}

var recovery = Recovery.prototype;

recovery.reconnecting = function () {
  return !!this.attempt;
};

recovery.reset = function () {
  this.attempt = null;
  this._client.timers.clear('reconnect', 'reconnect timeout');
  return this;
};

// Plans the next attempt, unless one is planned. `error` is the cause, if the cause is a failure.
recovery.reconnect = function (error) {
  var self = this;
  var client = self._client;
  var options = self.attempt;
  var failed, delay;
  if (client._isDestroyed || (options && options.backoff)) return self;
  if (!options) {
    options = self.attempt = {
      'reconnect timeout': self['reconnect timeout'],
      retries: self.retries,
      factor: self.factor,
      max: self.max,
      min: self.min,
      start: Date.now(),
      attempt: 0
    };
  }
  options.duration = Date.now() - options.start;
  options.error = error;
  client.timers.clear('reconnect timeout');
  if (options.attempt >= options.retries) {
    options.backoff = false;
    return self._fail(options);
  }
  failed = options.attempt++;
  options.backoff = true;
  // The server knows best when it is back, or how it wants the crowd spread; it says so for one time.
  delay = client._hint;
  client._hint = undefined;
  if (delay === undefined) {
    // The first delay is random too: those who lost a server together do not come back together.
    delay = (1 + Math.random()) * Math.max(options.min, failed && 1) * Math.pow(Math.max(options.factor, 1), failed);
    delay = Math.min(Math.round(delay), options.max || Infinity);
  }
  options.scheduled = delay = Math.min(delay, LONGEST_TIMER);
  client.timers.setTimeout('reconnect', function () { self._try(options); }, delay);
  client.emit('reconnect scheduled', options, error);
  return self;
};

recovery._try = function (options) {
  var self = this;
  var client = self._client;
  client.timers.clear('reconnect');
  options.backoff = false;
  options.duration = Date.now() - options.start;
  if (options['reconnect timeout']) client.timers.setTimeout('reconnect timeout', function () {
    var error = new Error('Failed to reconnect in a timely manner');
    options.duration = Date.now() - options.start;
    client.emit('reconnect timeout', error, options);
    if (self.attempt !== options) return;
    self.reconnect(error);
    // The last attempt hangs: nothing else will end its socket.
    if (!self.attempt && client.readyState === OPENING) {
      client._change(CLOSED, 'end');
      client.emit('outgoing::end');
    }
  }, options['reconnect timeout']);
  client.emit('outgoing::reconnect');
  // A listener may have ended it all.
  if (self.attempt === options) client.emit('reconnect', options, function (error) { self.reconnected(error); });
};

// An attempt is over, with an error or without.
recovery.reconnected = function (error) {
  var options = this.attempt;
  if (!options) return this;
  if (error) return options.backoff ? this : this.reconnect(error);
  options.duration = Date.now() - options.start;
  this.reset();
  this._client.emit('reconnected', options);
  return this;
};

// Over before anybody is told: a listener may open the connection anew.
recovery._fail = function (options) {
  var client = this._client;
  var error = new Error('Unable to recover');
  this.reset();
  client.emit('end');
  client.emit('reconnect failed', error, options);
  client.emit('gave up', error, options);
  return this;
};
