// What a browser tells of the network and of the page.

var network = typeof navigator === 'object' && navigator ? navigator : {};

// True also where nobody knows.
proto.online = network.onLine !== false;

proto.NETWORK_EVENTS = 'onLine' in network && typeof addEventListener === 'function';

// Not `beforeunload`: a link to a download raises that, too. The browser may keep a page that is left to go back to,
// and would keep its connection as well, and answer for it all the time. A page that comes back is told of a loss then;
// one that does not has no use for it. What is written meanwhile waits.
function pageListeners(self) {
  var comesBack;
  return {
    pagehide: function () {
      var state = self.readyState;
      var lose = self._leave();
      self.timers.clear('connect', 'heartbeat', 'reconnect', 'reconnect timeout');
      self.readyState = CLOSED;
      comesBack = function () {
        if (self.readyState !== CLOSED || self._isEnded) return;
        self.readyState = state;
        lose();
        if (self.recovery.reconnecting()) self.recovery._try(self.recovery.attempt);
      };
    },
    pageshow: function () {
      var fn = comesBack;
      comesBack = null;
      if (fn) fn();
    }
  };
}

function networkListeners(self) {
  return {
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
}

proto._watchNetwork = function () {
  var self = this;
  var listeners = pageListeners(self);
  if (self.NETWORK_EVENTS) self.merge(listeners, networkListeners(self));
  self._leaveNetwork = function () {};
  if (typeof addEventListener !== 'function') return;
  Object.keys(listeners).forEach(function (event) { addEventListener(event, listeners[event], false); });
  self._leaveNetwork = function () {
    Object.keys(listeners).forEach(function (event) { removeEventListener(event, listeners[event], false); });
  };
};
