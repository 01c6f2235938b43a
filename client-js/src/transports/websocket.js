// A WebSocket as the transports use it.

function webSocket(options) {
  return options.WebSocket || (typeof WebSocket !== 'undefined' && WebSocket);
}

function dial(options, url, handlers) {
  var Socket = webSocket(options);
  var socket = new Socket(url.replace(/^http/, 'ws'));
  var error;
  socket.onopen = handlers.open;
  socket.onmessage = function (event) { handlers.message(event.data); };
  // Browsers keep the reason of a failure to themselves; other sockets tell it.
  socket.onerror = function (event) { error = new Error(event.message || 'WebSocket error'); };
  socket.onclose = function (event) {
    handlers.close({ code: event.code, reason: event.reason, error: error });
  };
  return {
    name: OVER_WEBSOCKET,
    send: function (text) { socket.send(text); },
    close: function () { socket.close(); }
  };
}
