// WebSocket. A transport offers `supported(options)` and `open(options, handlers)`, which returns the link:
// `{name, send(text), close()}`, with `silence` if the server has said how long one may be (ms).
// Handlers are called later, never from inside `open`: `open()`, `message(text)`, without a text for a mere
// sign of life, `moved()` when `name` has changed, and `close({code, reason, error})`.

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
    name: 'ws',
    send: function (text) { socket.send(text); },
    close: function () { socket.close(); }
  };
}

transports.ws = {
  supported: webSocket,
  open: function (options, handlers) { return dial(options, address(options, '?'), handlers); }
};
