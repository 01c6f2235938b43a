// What a browser tells of the network.

var network = typeof navigator === 'object' && navigator ? navigator : {};

// True also where nobody knows.
proto.online = network.onLine !== false;

proto.NETWORK_EVENTS = 'onLine' in network && typeof addEventListener === 'function';

proto._watchNetwork = function () {
  var self = this;
  var listeners = {
    offline: function () {
      if (!self.online) return;
      self.online = false;
      self.emit('offline');
      self._end();
      self.recovery.reset();
    },
    online: function () {
      if (self.online) return;
      self.online = true;
      self.emit('online');
      if (self._has('online') && self.readyState === CLOSED && !self._isEnded) self.recovery.reconnect();
    }
  };
  self._leaveNetwork = function () {};
  if (!self.NETWORK_EVENTS || typeof addEventListener !== 'function') return;
  Object.keys(listeners).forEach(function (event) { addEventListener(event, listeners[event], false); });
  self._leaveNetwork = function () {
    Object.keys(listeners).forEach(function (event) { removeEventListener(event, listeners[event], false); });
  };
};
