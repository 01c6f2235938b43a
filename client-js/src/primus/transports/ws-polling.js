// WebSocket first. Long polling instead of it when it is missing, fails, or stays silent before it has worked once.

var FALLBACK_LIMIT = 4000; // ms

proto.client = function () {
  var hasWorked = false; // a WebSocket, for this client

  drive(this, function (client, handlers) {
    var isWished = !client.AVOID_WEBSOCKETS && settings.transports[0] !== 'polling' && webSocket(client);
    var limit = client.options.fallbackTimeout === undefined ? FALLBACK_LIMIT : client.options.fallbackTimeout;
    var address = client.uri({ protocol: isWished ? 'ws:' : 'http:', query: true });
    var timers = new Timers();
    var link, socket;

    function toPolling() {
      timers.clear();
      if (link !== socket) return;
      socket.close();
      link = openEngineIo(client, handlers, address);
      client.socket = link.socket;
    }

    function sure(fn) {
      return function (argument) {
        if (hasWorked || !canRequest(client)) fn(argument);
        else toPolling();
      };
    }

    if (!isWished) return openEngineIo(client, handlers, address);
    link = socket = dial(client, address, {
      open: function () {
        hasWorked = true;
        timers.clear();
        handlers.open();
      },
      message: handlers.message,
      error: sure(handlers.error),
      close: sure(handlers.close)
    });
    if (!hasWorked && limit && canRequest(client)) timers.setTimeout('fallback', toPolling, limit);
    return {
      socket: socket.socket,
      send: function (message) { link.send(message); },
      close: function () {
        timers.clear();
        link.close();
      }
    };
  });
};
