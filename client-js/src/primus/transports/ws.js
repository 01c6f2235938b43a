// WebSocket alone.

function openWebSocket(client, handlers) {
  return dial(client, client.uri({ protocol: 'ws:', query: true }), handlers);
}

proto.client = function () {
  drive(this, openWebSocket);
};
