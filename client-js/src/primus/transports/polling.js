// engine.io: long polling, then WebSocket unless it is avoided.

proto.client = function () {
  drive(this, function (client, handlers) {
    return openEngineIo(client, handlers, client.uri({ protocol: 'http:', query: true }));
  });
};
