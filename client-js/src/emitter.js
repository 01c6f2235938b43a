// Local listeners. `emit` is taken: it sends room events to the server (rooms.js).
// `off` without a listener drops all listeners of the event.

proto.on = function (event, listener) {
  (this._listeners[event] = this._listeners[event] || []).push(listener);
  return this;
};

proto.once = function (event, listener) {
  var self = this;
  function wrapper() {
    self.off(event, wrapper);
    listener.apply(null, arguments);
  }
  wrapper.listener = listener;
  return self.on(event, wrapper);
};

proto.off = proto.removeListener = function (event, listener) {
  this._listeners[event] = (this._listeners[event] || []).filter(function (fn) {
    return listener && fn !== listener && fn.listener !== listener;
  });
  return this;
};

proto.removeAllListeners = function (event) {
  if (arguments.length) delete this._listeners[event];
  else this._listeners = Object.create(null);
  return this;
};

// A listener may add or remove listeners: `off` leaves the walked array alone, and what `on` appends
// is not visited.
proto._raise = function (event, first, second) {
  (this._listeners[event] || []).forEach(function (listener) {
    guard(listener, [first, second]);
  });
};
