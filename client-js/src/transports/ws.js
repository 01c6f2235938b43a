// One JSON value per WebSocket message, as Primus has it. A transport offers `supported(options)` and
// `open(options, handlers)`, which returns the link: `{name, send(text), close(isLeft)}`, with `silence` if the server
// has said how long one may be (ms). Handlers are called later, never from inside `open`: `open()`,
// `message(text)`, without a text for a mere sign of life, `moved()` when `name` has changed,
// `close({code, reason, error})`, and `ended()` when the server wants nobody back.

var OVER_WEBSOCKET = 'ws';

transports.ws = {
  supported: webSocket,
  open: function (options, handlers) { return dial(options, address(options, '?'), handlers); }
};
