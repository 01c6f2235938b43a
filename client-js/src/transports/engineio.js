// A session of engine.io 4, by long polling over XMLHttpRequest until it moves to a socket. One GET waits at the
// server at all times. What is sent while a POST is under way, or within one turn of the event loop, leaves
// together with the next POST.

// Between the packets of one body.
var SEPARATOR = String.fromCharCode(30);

// What the requests of a closed link may still take, in ms.
var FAREWELL = 5000;

// What a browser takes from a page that is left, in bytes, with room for a last packet.
var LAST_WORDS = 65534;

// At least the length in UTF-8: half of a surrogate pair counts as much as any other character.
function weight(text) {
  return text.replace(/[^\0-\x7f]/g, '***').length;
}

// `begin`, if there is one, opens the session on a socket; it returns the function that ends it.
function engineio(options, handlers, begin) {
  var url = address(options, '/?EIO=4&transport=polling&');
  var queue = []; // packets that wait to leave
  var underWay = {}; // method -> request
  var number = 0; // of the next request: no cache may take one for another
  var isOver = false;
  var isEnded = false; // by the server
  var sid, maxPayload, turn, timer, paused, session, stopSocket;

  var put = function (packet) {
    queue.push(packet);
    turn = turn || setTimeout(function () {
      turn = 0;
      proceed();
    }, 0);
  };

  function batch() {
    var size = 0;
    var count = 0;
    while (count < queue.length) {
      size += weight(queue[count]);
      // A packet that is too large alone is for the server to refuse.
      if (count && size + count > maxPayload) break;
      count++;
    }
    return queue.splice(0, count).join(SEPARATOR);
  }

  function start(method, body) {
    underWay[method] = exchange(options, method, url + '&t=' + number++, 'text/plain', body, function (xhr) {
      if (underWay[method] !== xhr) return;
      underWay[method] = 0;
      if (xhr.status !== 200) {
        if (sid && !xhr.status) beacon();
        return refused(method + ' answered ' + xhr.status, xhr.responseText);
      }
      if (!body) receive(xhr.responseText.split(SEPARATOR));
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
    var isPosting = underWay.POST;
    if (isOver) {
      if (!isPosting && queue.length) start('POST', batch());
      // All is said. An opening is waited for nevertheless: its session is to be closed as well.
      else if (!isPosting && sid) abort();
    } else if (SEVERAL_TRANSPORTS && paused) {
      if (!isPosting && !underWay.GET) paused();
    } else {
      if (!underWay.GET) start('GET');
      if (!isPosting && !turn && queue.length) start('POST', batch());
    }
  }

  function take(packet) {
    var type = packet.charAt(0);
    var data = packet.slice(1);
    var hello = !sid && type === '0' && parsed(data);
    if (hello) {
      sid = hello.sid;
      url += '&sid=' + sid;
      if (isOver) return queue.push('1');
      maxPayload = hello.maxPayload || Infinity;
      link.silence = measure(+hello.pingInterval + +hello.pingTimeout);
      if (SEVERAL_TRANSPORTS) stopSocket = stopSocket || upgrade(options, hello, session);
      return handlers.open();
    }
    // Gateways that answer 200 to everything are not our server.
    if (!sid || !/[1246b]/.test(type)) return refused(SOCKETIO && begin ? 'got' : 'GET answered 200', packet);
    if (isOver) return;
    if (type === '1') return finish({});
    if (type === '2') put('3' + data);
    handlers.message(type === '4' && data);
  }

  function refused(what, text) {
    finish({ error: new Error(link.name + ': ' + what + ' ' + text.slice(0, 200)) });
  }

  // The link has ended, without our doing. Dropping the held GET tells the server, if it can be told.
  function finish(info) {
    var wasOver = isOver;
    isOver = true;
    abort();
    if (!wasOver) handlers.close(info);
  }

  // Begins no more requests, and calls `ready` when none is under way. Without `ready` polling goes on.
  function pause(ready) {
    paused = ready;
    proceed();
  }

  // From now on `socket` carries the session; the next thing to be said on it is what has gathered here.
  function move(socket) {
    clearTimeout(turn);
    put = socket.send;
    link.close = halt;
    link.name = socket.name;
    queue.forEach(put);
  }

  // What waits to leave, and the end of the session, in a way that outlives the page. Firefox drops requests as soon as a
  // link is followed, and says so only later: then it is all that can still be sent. `isLeft`: where there are no
  // beacons, the page may be held up for a moment.
  function beacon(isLeft) {
    var body;
    maxPayload = Math.min(maxPayload, LAST_WORDS);
    body = (queue.length ? batch() + SEPARATOR : '') + '1';
    try {
      if (!navigator.sendBeacon(url, body)) navigator.sendBeacon(url, '1');
    } catch (error) {
      try { if (isLeft) exchange(options, 'POST', url, 'text/plain', body); } catch (error) {}
    }
    queue = [];
  }

  function halt() {
    clearTimeout(timer);
    clearTimeout(turn);
    if (SEVERAL_TRANSPORTS && stopSocket) stopSocket();
  }

  function abort() {
    var requests = underWay;
    underWay = {};
    queue = [];
    halt();
    Object.keys(requests).forEach(function (method) {
      if (requests[method]) requests[method].abort();
    });
  }

  var link = {
    name: OVER_POLLING,

    send: function (text) { put('4' + text); },

    // What was sent before still arrives. The held GET is dropped last: without it the server ends the session.
    close: function (isLeft) {
      if (isOver) return;
      isOver = true;
      halt();
      timer = setTimeout(abort, FAREWELL);
      if (isEnded || isLeft && !sid) return abort();
      if (isLeft) return beacon(true);
      if (sid) queue.push('1');
      proceed();
    }
  };

  if (SEVERAL_TRANSPORTS) session = { pause: pause, move: move, moved: handlers.moved, take: take, finish: finish };
  if (SOCKETIO && begin) stopSocket = begin(options, session);
  else proceed();
  return link;
}
