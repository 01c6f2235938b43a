// WebSocket first. Long polling instead of it when it is missing, fails, or stays silent before it has worked once.

var FALLBACK_LIMIT = 4000; // ms

proto.client = function () {
  var hasWorked = false; // a WebSocket, for this client

  drive(this, function (client, handlers) {
    var isWished = !client.AVOID_WEBSOCKETS && settings.transports[0] !== 'polling' && webSocket(client);
    var limit = duration(client.options.fallbackTimeout, FALLBACK_LIMIT);
    var mayPoll = !hasWorked && canRequest(client);
    var address = client.uri({ protocol: isWished ? 'ws:' : 'http:', query: true });
    var timers = new Timers();
    var link, socket;

    function toPolling() {
      timers.clear();
      if (socket) socket.close();
      link = openEngineIo(client, handlers, address);
      client.socket = link.socket;
    }

    function orPolling(fn) {
      return function (argument) {
        if (mayPoll) toPolling();
        else fn(argument);
      };
    }

    if (!isWished) return openEngineIo(client, handlers, address);
    try {
      link = socket = dial(client, address, {
        open: function () {
          hasWorked = true;
          mayPoll = false;
          timers.clear();
          handlers.open();
        },
        message: handlers.message,
        error: orPolling(handlers.error),
        close: orPolling(handlers.close)
      });
      if (mayPoll && limit) timers.setTimeout('fallback', toPolling, limit);
    } catch (error) {
      if (!mayPoll) throw error;
      toPolling();
    }
    return {
      socket: link.socket,
      send: function (message) { link.send(message); },
      close: function (isLeft) {
        timers.clear();
        link.close(isLeft);
      }
    };
  });
};
