// A session of engine.io 4: long polling, then a WebSocket if there can be one. One GET waits at the server at all
// times. What is sent while a POST is under way, or within one turn of the event loop, leaves with the next POST.

// Between the packets of one body.
var SEPARATOR = '\x1e';

// What the requests of a closed session may still take, in ms.
var FAREWELL = 5000;

// What a browser takes from a page that is left, in bytes, with room for a last packet.
var LAST_WORDS = 65534;

// Bytes travel as they are on a socket, as `b` and base64 elsewhere.
function asText(packet) {
  return typeof packet === 'string' ? packet : 'b' + toBase64(packet);
}

// At least the length in UTF-8: half of a surrogate pair counts as much as any other character.
function weight(text) {
  return text.replace(/[^\0-\x7f]/g, '***').length;
}

function parsed(text) {
  try {
    return JSON.parse(text) || {};
  } catch (error) {
    return {};
  }
}

function openEngineIo(client, handlers, address) {
  var parts = address.replace(/^ws/, 'http').split('?');
  var url = parts[0].replace(/\/?$/, '/?') + (parts[1] ? parts[1] + '&' : '') + 'EIO=4';
  var queue = []; // packets that wait to leave
  var aborts = {}; // method -> what aborts the request under way
  var timers = new Timers();
  var isOver = false; // nobody listens any more
  var isEnded = false; // by the server
  var sid, maxPayload, silence, paused, carrier, stopUpgrade;

  function put(packet) {
    if (carrier) return carrier.send(packet);
    queue.push(packet);
    if (!timers.active('turn')) timers.setTimeout('turn', proceed, 0);
  }

  function batch() {
    var size = 0;
    var body = [];
    var text;
    while (queue.length) {
      text = asText(queue[0]);
      size += weight(text) + 1;
      // A packet that is too large alone is for the server to refuse.
      if (body.length && size - 1 > maxPayload) break;
      body.push(text);
      queue.shift();
    }
    return body.join(SEPARATOR);
  }

  function place() {
    return url + '&transport=polling' + (sid ? '&sid=' + encodeURIComponent(sid) : '') + '&t=' + unique();
  }

  function start(method, body) {
    aborts[method] = exchange(client, method, place(), body, function (status, text) {
      aborts[method] = null;
      if (sid && !status) beacon();
      if (status !== 200) return finish(new Error('polling: ' + method + ' answered ' + status + ' ' + text.slice(0, 200)));
      if (!body) receive(text.split(SEPARATOR));
      proceed();
    });
  }

  function receive(packets) {
    // Known before the first of them is told: whoever closes because of it need not tell the server.
    isEnded = packets[packets.length - 1] === '1';
    packets.forEach(take);
  }

  // Starts whatever is due.
  function proceed() {
    var isPosting = aborts.POST;
    if (isOver) {
      if (!isPosting && queue.length) start('POST', batch());
      // All is said. An opening is waited for nevertheless: its session is to be closed as well.
      else if (!isPosting && sid) abort();
    } else if (paused) {
      if (!isPosting && !aborts.GET) paused();
    } else if (!carrier) {
      if (!aborts.GET) start('GET');
      if (!isPosting && sid && !timers.active('turn') && queue.length) start('POST', batch());
    }
  }

  // A server that is not heard of for longer than it has said is gone.
  function hear() {
    if (isOver) return;
    timers.setTimeout('silence', function () { finish(); }, silence);
    handlers.alive();
  }

  function begin(hello) {
    if (!hello.sid) return finish(new Error('polling: GET answered 200 with something else than engine.io'));
    sid = hello.sid;
    if (isOver) return queue.push('1');
    maxPayload = hello.maxPayload || Infinity;
    silence = measure(+hello.pingInterval + +hello.pingTimeout) || Infinity;
    link.socket.id = sid;
    hear();
    if (!client.AVOID_WEBSOCKETS && webSocket(client) && [].concat(hello.upgrades).indexOf('websocket') >= 0) {
      stopUpgrade = upgrade(client, url.replace(/^http/, 'ws') + '&transport=websocket&sid=' + encodeURIComponent(sid), session);
    }
    handlers.open();
  }

  function take(packet) {
    var isText = typeof packet === 'string';
    var type = isText && packet.charAt(0);
    var data = isText && packet.slice(1);
    if (!sid) return begin(type === '0' ? parsed(data) : {});
    if (isOver) return;
    hear();
    if (!isText) handlers.message(packet);
    else if (type === '4') handlers.message(data);
    else if (type === 'b') handlers.message(fromBase64(data));
    else if (type === '2') put('3' + data);
    else if (type === '1') finish();
  }

  // The session has ended, without our doing. Dropping the held GET tells the server, if it can be told.
  function finish(error, info) {
    var wasOver = isOver;
    isOver = true;
    abort();
    if (wasOver) return;
    if (error) handlers.error(error);
    handlers.close(info);
  }

  // What waits to leave, and the end of the session, in a way that outlives the page. Firefox drops requests as soon as a
  // link is followed, and says so only later: then it is all that can still be sent. `isLeft`: where there are no
  // beacons, the page may be held up for a moment.
  function beacon(isLeft) {
    var body;
    maxPayload = Math.min(maxPayload, LAST_WORDS);
    body = (queue.length ? batch() + SEPARATOR : '') + '1';
    try {
      if (!navigator.sendBeacon(place(), body)) navigator.sendBeacon(place(), '1');
    } catch (error) {
      try { if (isLeft) exchange(client, 'POST', place(), body); } catch (error) {}
    }
    queue = [];
  }

  function abort() {
    timers.clear();
    queue = [];
    if (stopUpgrade) stopUpgrade();
    Object.keys(aborts).forEach(function (method) {
      if (aborts[method]) aborts[method]();
    });
    aborts = {};
  }

  // What the upgrade does with the session: `pause` begins no more requests and calls `ready` when none is under
  // way, without `ready` polling goes on; from `move` on the socket carries it.
  var session = {
    pause: function (ready) {
      paused = ready;
      proceed();
    },
    move: function (socket) {
      timers.clear('turn');
      paused = null;
      carrier = socket;
      link.socket.transport.name = 'websocket';
      queue.splice(0, queue.length).forEach(put);
    },
    take: take,
    finish: finish
  };

  var link = {
    // What users of the engine.io client look at.
    socket: { id: undefined, transport: { name: 'polling' } },

    send: function (message) { put(typeof message === 'string' ? '4' + message : message); },

    // What was sent before still arrives. The held GET is dropped last: without it the server ends the session.
    close: function (isLeft) {
      if (isOver) return;
      isOver = true;
      timers.clear();
      if (stopUpgrade) stopUpgrade();
      if (carrier || isEnded) return abort();
      if (isLeft && !sid) return abort();
      timers.setTimeout('farewell', abort, FAREWELL);
      if (isLeft) return beacon(true);
      if (sid) queue.push('1');
      proceed();
    }
  };

  start('GET');
  return link;
}
