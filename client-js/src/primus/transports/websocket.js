// One message per WebSocket frame. Page and Node differ in where the constructor is from; `options.WebSocket` may
// name another.

function webSocket(client) {
  return client.options.WebSocket || (typeof WebSocket !== 'undefined' ? WebSocket : Primus.requires('ws'));
}

function nothing() {}

// `handlers`: `open()`, `message(text or ArrayBuffer)`, `error(event)`, `close({code, reason})`, called later. The
// link that it returns: `{send(message), close()}`; after `close()` nothing more is told.
function dial(client, url, handlers) {
  var Socket = webSocket(client);
  // The third argument is for sockets of Node. Old browsers refuse even the second.
  var isOfPage = typeof WebSocket !== 'undefined' && Socket === WebSocket;
  var socket = isOfPage ? new Socket(url) : new Socket(url, [], client.transport);
  socket.binaryType = 'arraybuffer';
  socket.onopen = handlers.open;
  socket.onmessage = function (event) { handlers.message(event.data); };
  // Browsers keep the reason to themselves; other sockets tell it.
  socket.onerror = function (event) {
    handlers.error(event.error instanceof Error ? event.error : new Error(event.message || 'WebSocket error'));
  };
  socket.onclose = function (event) { handlers.close({ code: event.code, reason: event.reason }); };
  return {
    socket: socket,
    send: function (message) {
      if (socket.readyState === 1) socket.send(message);
    },
    close: function () {
      // Not null: a socket of Node that is closed while it connects has an error, and would throw it.
      socket.onopen = socket.onmessage = socket.onerror = socket.onclose = nothing;
      socket.close();
    }
  };
}
