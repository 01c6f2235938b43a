// WebSocket. A transport offers `supported(options)` and `open(options, handlers)`, which returns
// `{send(text), close()}`. Handlers: `open()`, `message(text)`, `close({code, reason, error})`; they are
// called later, never from inside `open`.

function webSocket(options) {
  return options.WebSocket || (typeof WebSocket !== 'undefined' && WebSocket);
}

transports.ws = {
  supported: webSocket,

  open: function (options, handlers) {
    var Socket = webSocket(options);
    var socket = new Socket(address(options).replace(/^http/, 'ws'));
    var error;
    socket.onopen = handlers.open;
    socket.onmessage = function (event) { handlers.message(event.data); };
    // Browsers keep the reason of a failure to themselves; other sockets tell it.
    socket.onerror = function (event) { error = new Error(event.message || 'WebSocket error'); };
    socket.onclose = function (event) {
      handlers.close({ code: event.code, reason: event.reason, error: error });
    };
    return {
      send: function (text) { socket.send(text); },
      close: function () { socket.close(); }
    };
  }
};
