// socket.io 5 in the messages of engine.io 4:
//
//   client                                  server
//     |<------------------- 0{"sid":...} -----|  engine.io is open: on a WebSocket, or by long polling
//     |--- 40 ------------------------------->|
//     |<------------------ 40{"sid":...} -----|  connected, or 44{"message":...}: refused
//     |--- 42["message",{...}] -------------->|
//     |<----------- 42["response",{...}] -----|  and pushes: the packet is all that an event carries

var OVER_WEBSOCKET = 'socketio';
var OVER_POLLING = 'socketio-polling';

// What the server sends. Other events, acks, other namespaces and binary are not for this client.
var EVENT = /^2\["(response|welcome|say|alert|api|message)",/;

function socketio(options, handlers, begin) {
  var isUp = false;

  function receive(text) {
    if (isUp) {
      if (text === '1') {
        isUp = false;
        return handlers.ended();
      }
    } else if (/^0\{/.test(text)) {
      isUp = true;
      return handlers.open();
    } else if (/^4[{"]/.test(text)) {
      return handlers.close({ error: failure({ error: parsed(text.slice(1)) }) });
    }
    handlers.message(isUp && EVENT.test(text) && text.slice(text.indexOf(',') + 1, -1));
  }

  var session = engineio(options, {
    open: function () { session.send('0'); },
    message: receive,
    moved: handlers.moved,
    close: function (info) {
      isUp = false;
      handlers.close(info);
    }
  }, begin);
  var link = Object.create(session);
  link.send = function (text) { session.send('2["message",' + text + ']'); };
  link.close = function (isLeft) {
    if (isUp) session.send('1');
    session.close(isLeft);
  };
  return link;
}

// engine.io on a WebSocket from the first byte on: a session that has moved before it opened.
function direct(options, session) {
  var isOver = false;
  var socket = dial(options, address(options, '/?EIO=4&transport=websocket&'), {
    open: function () {},
    message: function (packet) {
      if (!isOver && typeof packet === 'string') session.take(packet);
    },
    close: session.finish
  });
  session.move(socket);
  return function () {
    isOver = true;
    socket.close();
  };
}

transports[OVER_WEBSOCKET] = {
  supported: webSocket,
  open: function (options, handlers) { return socketio(options, handlers, direct); }
};

transports[OVER_POLLING] = { supported: httpRequest, open: socketio };
