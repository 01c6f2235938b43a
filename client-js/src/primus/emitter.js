// Listeners, with the methods that users of EventEmitter3 know. An `error` that nobody listens for is not thrown.

var slice = Array.prototype.slice;

function has(object, key) {
  return Object.prototype.hasOwnProperty.call(object, key);
}

function EventEmitter() {}

var emitter = EventEmitter.prototype;

// Plugins may build on the constructor without calling it: the table is made when it is first needed.
function table(self) {
  return self._table || (self._table = Object.create(null));
}

// Every change makes a new array, so that `emit` can walk the one it has found.
function add(self, event, fn, context, isOnce) {
  var all = table(self);
  all[event] = (all[event] || []).concat({ _fn: fn, _context: context || self, _isOnce: isOnce });
  return self;
}

emitter.on = emitter.addListener = function (event, fn, context) {
  return add(this, event, fn, context);
};

emitter.once = function (event, fn, context) {
  return add(this, event, fn, context, true);
};

// Without a function all listeners of the event go.
emitter.off = emitter.removeListener = function (event, fn) {
  var all = table(this);
  var left = (all[event] || []).filter(function (entry) { return fn && entry._fn !== fn; });
  if (left.length) all[event] = left;
  else delete all[event];
  return this;
};

emitter.removeAllListeners = function (event) {
  if (arguments.length) delete table(this)[event];
  else this._table = null;
  return this;
};

emitter.listeners = function (event) {
  return (table(this)[event] || []).map(function (entry) { return entry._fn; });
};

emitter.listenerCount = function (event) {
  return this.listeners(event).length;
};

emitter.eventNames = function () {
  return Object.keys(table(this));
};

emitter.emit = function (event) {
  var self = this;
  var args = slice.call(arguments, 1);
  var entries = table(self)[event] || [];
  entries.forEach(function (entry) {
    // Out of the table before it is called, and only itself: others may share its function.
    if (entry._isOnce) {
      var all = table(self);
      all[event] = (all[event] || []).filter(function (other) { return other !== entry; });
      if (!all[event].length) delete all[event];
    }
    entry._fn.apply(entry._context, args);
  });
  return entries.length > 0;
};
