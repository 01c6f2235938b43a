// The life of a connection:
//
//   connect() --> socket opens --> rooms are joined --> detailsView --> connected
//                   ^                   |                   |              |
//                   |                   +------- loss ------+--------------+
//                   |                               |
//             reconnecting  <------ delay ----------+
//
// An attempt tries one transport after the other, until one of them has got as far as `connected`.
//
// Each function changes the client's state first and calls the application last, because the
// application may call connect() or disconnect() from any callback.

var transports = {};

// Of the network and of the page. Not `beforeunload`: a link to a download raises that, too.
var EVENTS = ['online', 'offline', 'pagehide', 'pageshow'];

// Address of a server -> name of the transport that worked last, for the life of the page.
var worked = {};

proto.connect = function (callback) {
  var self = this;
  return dual(callback, function (done) {
    var farewell = end(self, 'replaced', 'replaced by another connect()', true);
    self.rooms = (self.options.rooms || []).concat(self.rooms).filter(function (room, index, all) {
      return all.indexOf(room) === index;
    });
    self._connecting = done;
    self._waiting = [];
    self._attempts = self._cuts = 0;
    self._wasUp = self._isBack = false;
    self._network = function (event) {
      if (event.type === 'offline') {
        if (self._socket) lost(self, { error: new Error('the network is offline'), label: 'offline' });
      } else if (event.type === 'pagehide') {
        left(self);
      } else if (event.type === 'pageshow') {
        if (self._comesBack) self._comesBack();
      } else if (self._retry) {
        attempt(self);
      }
    };
    if (typeof addEventListener === 'function') {
      EVENTS.forEach(function (event) { addEventListener(event, self._network); });
    }
    open(self, self.options.connectTimeout);
    farewell();
  });
};

proto.disconnect = function () {
  var farewell = end(this, 'disconnected', 'disconnected');
  this.rooms = [];
  farewell();
};

function place(options) {
  return options.url + options.path;
}

// Names of the usable transports in the order of the options; what worked comes first.
function candidates(options) {
  var names = options.transports.filter(function (name) {
    return has(transports, name) && transports[name].supported(options);
  });
  var first = SEVERAL_TRANSPORTS && worked[place(options)];
  if (first) names.sort(function (a, b) { return (b === first) - (a === first); });
  return names;
}

function open(client, timeout) {
  var options = client.options;
  var names = client._spare = candidates(options);
  var isFinal = true; // as long as every transport refused at once

  client._deadline = timeout && later(function () {
    var link = client._links;
    client.state = 'timeout';
    client._raise('timeout');
    if (link === client._links) lost(client, { error: new Error('no connection within ' + timeout + ' ms') });
  }, timeout);
  begin();

  function begin() {
    var link = ++client._links;
    var name = names.shift();

    function whileCurrent(fn) {
      return function (argument) {
        if (link === client._links) fn(argument);
      };
    }

    var failed = client._failed = whileCurrent(function (info) {
      isFinal = info.isFinal = isFinal && info.isFinal;
      if (SEVERAL_TRANSPORTS && isTrial(client)) {
        // Only calls of this file can be unanswered so far, and they see that their link is gone.
        fail(release(client), info);
        begin();
      } else {
        lost(client, info);
      }
    });

    try {
      if (!name) throw new Error('no transport of this script works here');
      if (isTrial(client)) heard(client);
      client._socket = transports[name].open(options, {
        open: whileCurrent(function () { opened(client); }),
        message: whileCurrent(function (text) {
          heard(client);
          if (text) receive(client, text);
        }),
        close: failed,
        ended: SOCKETIO && whileCurrent(function () { endedByServer(client); }),
        moved: SEVERAL_TRANSPORTS && whileCurrent(function () {
          // Whatever stood in the way has gone: the next connection may begin with the first transport again.
          delete worked[place(options)];
          if (client.transport) show(client);
        })
      });
    } catch (error) {
      // A refused address or a missing transport will not get better by trying again.
      setTimeout(function () { failed({ error: error, isFinal: true }); }, 0);
    }
  }
}

// Not yet connected, and there is another transport to be tried.
function isTrial(client) {
  return SEVERAL_TRANSPORTS && client._spare.length && client.state !== 'connected';
}

// Any inbound frame is a sign of life. The server pings, so that a longer silence means a dead link. Less
// patience is needed while another transport can be tried: some proxies let a socket open, and nothing through.
function heard(client) {
  var options = client.options;
  var timeout = isTrial(client) ? options.fallbackTimeout : client._socket.silence || options.pingTimeout;
  clearTimeout(client._timer);
  client._timer = timeout && later(function () {
    client._failed({ error: new Error('nothing heard for ' + timeout + ' ms'), label: 'heartbeat_missed' });
  }, timeout);
}

function show(client) {
  client.transport = client._socket.name;
  client._raise('transport', client.transport);
}

// Brings a new socket to where the last one was, then lets the waiting calls go.
function opened(client) {
  var link = client._links;
  var rooms = client.rooms.slice();
  var joining = rooms.length;

  client.messageCount = 0;
  client._miscounts = false;
  client._hint = undefined;
  client.details = null;
  client._waiting = client._waiting || [];
  if (!isTrial(client)) {
    clearTimeout(client._deadline);
    heard(client);
  }
  if (client._isBack) {
    client._isBack = false;
    client._raise('reconnect');
  }
  if (link !== client._links) return;

  rooms.forEach(function (room) {
    ask(client, JSON.stringify({ event: 'roomAdd', room: room }), verdict(function (error) {
      if (link !== client._links) return;
      // 017: already in the room, which is what we want.
      if (error && error.code !== '017') client._raise('error', error);
      if (!--joining) configure();
    }));
  });
  if (!joining) configure();

  function configure() {
    if (link !== client._links) return;
    ask(client, '{"event":"detailsView"}', verdict(function (error, packet) {
      var done = client._connecting;
      var waiting = client._waiting;
      if (link !== client._links) return;
      if (error) return lost(client, { error: error });
      remember(client, packet);
      client.state = 'connected';
      client.transport = client._socket.name;
      if (SEVERAL_TRANSPORTS) worked[place(client.options)] = client.transport;
      client._wasUp = true;
      clearTimeout(client._deadline);
      heard(client);
      // A server that accepts and then drops its clients is not to be hammered: only a link that holds starts anew.
      client._steady = setTimeout(function () { client._attempts = client._cuts = 0; }, 10000);
      client._connecting = client._waiting = null;
      waiting.forEach(function (entry) { ask(client, entry.text, entry.done); });
      if (done) done(null, packet);
      if (link === client._links) client._raise('connected');
      if (link === client._links) show(client);
    }));
  }
}

function remember(client, packet) {
  var data = packet.data || {};
  client.details = client.details || packet;
  client.id = data.id;
  client.fingerprint = data.fingerprint;
  client.rooms = [].concat(data.rooms || []);
}

// Ends the socket and takes out the calls that were written to it. If the page is left, nothing can be done later.
function release(client, isLeft) {
  var socket = client._socket;
  client._links++;
  clearTimeout(client._timer);
  client._socket = null;
  if (socket) socket.close(isLeft);
  return unanswered(client);
}

// The same, and nothing is on its way any more: takes out the calls that wait, too.
function unlink(client, isLeft) {
  var calls = release(client, isLeft);
  clearTimeout(client._deadline);
  clearTimeout(client._retry);
  clearTimeout(client._steady);
  client._retry = client.transport = null;
  client._hint = undefined;
  (client._waiting || []).forEach(function (entry) { calls.push(entry.done); });
  if (client._connecting) calls.push(client._connecting);
  client._waiting = client._connecting = null;
  return calls;
}

function fail(calls, error) {
  calls.forEach(function (done) { done(error); });
}

// The link broke or an attempt failed. `info` is what the transport's close says.
function lost(client, info) {
  var wasConnected = client.state === 'connected';
  // A server that says goodbye, or cannot be reached after it, has left. A proxy that cuts does neither.
  client._cuts = wasConnected && (info.error || info.code === 1006) ? client._cuts + 1 : 0;
  if (SEVERAL_TRANSPORTS && client._cuts > 2) {
    // It works, but does not hold: some proxies cut what is quiet. Others may fare better.
    worked[place(client.options)] = candidates(client.options).filter(function (name) {
      return name !== client.transport;
    })[0];
  }
  var isOver = info.isFinal || isFinal(info);
  var policy = !isOver && client.options.reconnect;
  var hint = client._hint;
  var calls = unlink(client);
  var link = client._links;
  var error = info.error || new Error(
    'connection ' + (wasConnected ? 'lost' : 'failed') + (info.code ? ' (' + (info.code + ' ' + info.reason).trim() + ')' : '')
  );
  var givesUp = policy && client._attempts >= policy.retries;
  if (wasConnected || givesUp || isOver) client.state = 'disconnected';
  if (policy && !givesUp) {
    // Full jitter from the first try on: a restarted server must not meet all its clients at once. The server knows best
    // when it is back, or how it wants the crowd spread; it says so for one time.
    client._retry = later(function () { attempt(client); }, isInterrupted(info) ? 0 : measure(hint,
      Math.random() * Math.min(policy.max || Infinity, LONGEST_TIMER, Math.max(policy.min, client._attempts && 1) *
      Math.pow(Math.max(policy.factor, 1), client._attempts))));
  } else {
    stop(client);
  }

  if (info.error || !wasConnected) client._raise('error', error);
  if (wasConnected && link === client._links) client._raise('disconnected', closing(info, policy && !givesUp));
  if (givesUp) client._raise('error', new Error('gave up after ' + client._attempts + ' attempts to reconnect'));
  fail(calls, error);
}

// Firefox closes sockets when a link is followed, also if it leads to a download and the page stays. It gives no reason
// for it; servers of ours do.
function isInterrupted(info) {
  return info.code === 1001 && !info.reason;
}

// The page is left. The browser may keep it to go back to, and would keep its connection as well, and answer for it all
// the time. A page that comes back is told of a loss then; one that does not has no use for it.
function left(client) {
  var wasConnected = client.state === 'connected';
  var calls = unlink(client, true);
  var link = client._links;
  client._attempts = client._cuts = 0;
  client.state = 'disconnected';
  client._comesBack = function () {
    var returns = client.options.reconnect;
    var error = new Error('the page was left');
    var isCurrent = link === client._links;
    client._comesBack = null;
    if (isCurrent && !returns) stop(client);
    if (isCurrent && wasConnected) client._raise('disconnected', closing({ error: error, label: 'page_left' }, returns));
    fail(calls, error);
    if (returns && link === client._links) attempt(client);
  };
}

function attempt(client) {
  var link = client._links;
  clearTimeout(client._retry);
  client._retry = null;
  client._attempts++;
  client._isBack = client._wasUp;
  client.state = 'reconnecting';
  client._raise('reconnecting');
  if (link === client._links) open(client, client.options.reconnect.timeout);
}

// No socket and no attempt will follow.
function stop(client) {
  if (typeof removeEventListener === 'function') {
    EVENTS.forEach(function (event) { removeEventListener(event, client._network); });
  }
  client._network = null;
}

// A deliberate end. Returns the function that tells the application. Before another connection it is not told of one
// that it never saw.
function end(client, label, reason, isReplaced) {
  var tells = isReplaced ? client.state === 'connected' : client._network;
  var calls = unlink(client);
  stop(client);
  client.state = 'disconnected';
  return function () {
    if (tells) client._raise('disconnected', closing({ code: 1000, label: label, reason: reason }, isReplaced));
    fail(calls, new Error(reason));
  };
}

function endedByServer(client) {
  end(client, 'ended', 'closed by the server')();
}
