// The client object: what it is made of and how it begins. The other files give it its methods. The server fills in
// `settings`, `parser` (null: JSON) and `plugins` (Primus → list).

var OPENING = 1;
var CLOSED = 2;
var OPEN = 3;

function Primus(url, options) {
  var self = this;
  var isNamed = url && typeof url === 'object';
  if (!(self instanceof Primus)) return new Primus(url, options);
  options = self.clone(isNamed ? url : options);
  if (isNamed) url = options.url || options.uri;
  if ('ping' in options || 'pong' in options) {
    throw new Error('The options `ping` and `pong` no longer exist: the server pings');
  }

  function byDefault(name, value) {
    if (options[name] === undefined) options[name] = value;
  }
  // Where a number is due, only a number counts.
  function limit(name, value) {
    options[name] = duration(options[name], value);
  }
  limit('queueSize', 1000);
  limit('timeout', 10000);
  limit('pingTimeout', settings.pingTimeout);
  byDefault('reconnect', {});
  byDefault('transport', {});
  // An empty list is no wish; none at all is false.
  if (Array.isArray(options.strategy) && !options.strategy.length) options.strategy = undefined;
  // A first attempt that the server refuses for lack of rights would be refused again and again.
  byDefault('strategy', 'disconnect,online' + (self.authorization ? '' : ',timeout'));
  options.strategy = [].concat(options.strategy || []).join().toLowerCase().replace(/\s/g, '');

  if ('websockets' in options) self.AVOID_WEBSOCKETS = !options.websockets;
  if ('network' in options) self.NETWORK_EVENTS = options.network;
  self.options = options;
  if (!url && !settings.url && home() === '') throw new Error(NO_HOST);
  self.url = self.parse(url || settings.url || home() || 'http://127.0.0.1');
  self.buffer = [];
  self.writable = self.readable = true;
  self.readyState = CLOSED;
  self.socket = null;
  self.disconnect = false; // true: the next loss is the server's wish
  self.transport = options.transport;
  self.transformers = { outgoing: [], incoming: [] };
  self.timers = new Timers(self);
  self.recovery = new Recovery(self);
  self._lines = { outgoing: [], incoming: [] };
  self._isEnded = !!options.manual; // the network may not open what nobody has opened

  self.initialise();
  self.client();
  Object.keys(self.ark).forEach(function (name) { self.ark[name].call(self, self, options); });
  self._watchNetwork();
  if (!options.manual) self.timers.setTimeout('open', self.open, 0);
}

var proto = Primus.prototype = Object.create(EventEmitter.prototype, { constructor: { value: Primus } });

proto.pathname = settings.pathname;
proto.version = settings.version;
proto.authorization = settings.authorization;
proto.AVOID_WEBSOCKETS = false;
proto.ark = {};

// A bundler warns of a call of `require` whose argument it cannot see. It does not look through a name of ours.
var ownModule = typeof module === 'object' && module;

// What Node has and browsers have not.
Primus.requires = Primus.require = function (name) {
  try {
    return ownModule.require(name);
  } catch (error) {
    return undefined;
  }
};

Primus.connect = function (url, options) {
  return new Primus(url, options);
};

Primus.EventEmitter = Primus.Stream = EventEmitter;

// The readable side of a stream, as far as messages have one. `close` comes before `end` and says nothing here.
proto.pipe = function (target, options) {
  this.on('data', function (data) { target.write(data); });
  if (!options || options.end !== false) this.on('end', function () { target.end(); });
  return target;
};

Primus.OPENING = OPENING;
Primus.CLOSED = CLOSED;
Primus.OPEN = OPEN;

var RESERVED = 'open data error close end destroy timeout offline online readyStateChange reconnect reconnected';

// Names that the library emits itself, and an application should not.
proto.reserved = function (event) {
  return /^(incoming|outgoing)::/.test(event) || has(proto.reserved.events, event);
};

proto.reserved.events = {};
RESERVED.split(' ').concat('reconnect scheduled', 'reconnect timeout', 'reconnect failed', 'gave up', 'dropped')
  .forEach(function (event) { proto.reserved.events[event] = 1; });

// One plugin, or a copy of all.
proto.plugin = function (name) {
  own(this, 'plugin');
  return name ? this.ark[name] : this.clone(this.ark);
};

// A function that emits the event with its arguments. `filter(next, args…)` may replace them by one value, drop
// them with null, or keep the event back by not calling `next`.
proto.emits = function (event, filter) {
  var self = this;
  return function () {
    var args = slice.call(arguments);
    function next(error, value) {
      if (error) return self.emit('error', error);
      if (value !== undefined) args = value === null ? [] : [value];
      return self.emit.apply(self, [event].concat(args));
    }
    if (typeof filter !== 'function') return next();
    return filter.apply(self, [next].concat(args));
  };
};

// For what only a change of the program can mend.
proto.critical = function (error) {
  if (this.emit('error', error)) return this;
  throw error;
};

// Methods are often passed on without their object.
function own(self, name) {
  var error;
  if (self instanceof Primus) return;
  error = new TypeError('Primus#' + name + ' was called with another context than a Primus instance');
  if (self && typeof self.emit === 'function' && self.listeners && self.listeners('error').length) self.emit('error', error);
  else throw error;
}
