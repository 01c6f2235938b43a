// Requests with one response each, in both directions, in the format of npm's primus-responder:
//   {"plugin":"primus-responder","requestId":"…","data":…}, answered by {"plugin":…,"responseId":"…","data":…}
// Differences from it: a call that can no longer be answered calls its callback with one Error (code ECONNRESET), where
// the npm plugin forgets it (what came from the server is never an Error); `done` works once and only while the
// connection that asked is there; `null` is a message like any other.
({
  name: 'responder',
  library: null,
  // A server may ship the source text of this function alone: it must not use names from outside.
  client: function (primus) {
    var PLUGIN = 'primus-responder';
    // `primus.emit` may belong to a plugin that sends events to the server.
    var raise = Object.getPrototypeOf(primus).emit;
    var prefix = Math.random().toString(36).slice(2) + '-';
    var lastId = 0;
    var pending = {};
    var epoch = 0;

    function owned(object, key) {
      return Object.prototype.hasOwnProperty.call(object, key);
    }

    function settle(id, data) {
      if (!owned(pending, id)) return;
      var callback = pending[id].callback;
      delete pending[id];
      callback.call(primus, data);
    }

    // Every callback is called, also if one throws.
    function fail(ids) {
      if (!ids.length) return;
      var error = new Error('The connection ended before the request was answered');
      error.code = 'ECONNRESET';
      try {
        settle(ids[0], error);
      } finally {
        fail(ids.slice(1));
      }
    }

    function answer(id) {
      var asked = epoch;
      var done = false;
      return function (data) {
        if (done || asked !== epoch) return;
        done = true;
        primus.write({ plugin: PLUGIN, responseId: id, data: data });
      };
    }

    primus.transform('incoming', function (packet) {
      var value = packet.data;
      if (!value || value.plugin !== PLUGIN) return;
      if (value.requestId) raise.call(primus, 'request', value.data, answer(value.requestId));
      else if (value.responseId) settle(value.responseId, value.data);
      return false;
    });

    primus.on('readyStateChange', function (state) {
      if (state === 'open') {
        // The queue goes out now.
        Object.keys(pending).forEach(function (id) { pending[id].sent = true; });
      } else if (state === 'end') {
        epoch++;
        fail(Object.keys(pending).filter(function (id) { return pending[id].sent; }));
      }
    });
    primus.on('end', function () { fail(Object.keys(pending)); });

    primus.writeAndWait = function (data, callback) {
      var id = prefix + ++lastId;
      if (typeof callback === 'function') {
        pending[id] = { callback: callback, sent: primus.readyState === primus.constructor.OPEN };
      }
      if (primus.write({ plugin: PLUGIN, requestId: id, data: data }) === false) {
        setTimeout(function () { fail([id]); }, 0);
      }
    };
  }
})
