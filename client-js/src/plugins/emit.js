// Named events with acknowledgements, in the formats of two npm plugins, both understood at once:
//   primus-emitter  {"type":0,"data":[event, ...args],"id":1}, answered by {"id":1,"type":1,"data":[...values]}
//   primus-emit     {"emit":[event, ...args]}, without an answer
// Differences from them: a packet of this plugin is never a `data` event too; `null` is a message like any other; an
// acknowledgement that can no longer come calls its callback with one Error (code ECONNRESET). What came from the
// server is never an Error, so `value instanceof Error` tells the two apart.
({
  name: 'emit',
  library: null,
  // A server may ship the source text of this function alone: it must not use names from outside.
  client: function (primus) {
    var EVENT = 0;
    var ACK = 1;
    // What emitters and streams announce about themselves; reserved events are known to the connection.
    var LOCAL = ' newListener removeListener pipe unpipe drain ';
    var raise = Object.getPrototypeOf(primus).emit;

    function owned(object, key) {
      return Object.prototype.hasOwnProperty.call(object, key);
    }

    // Objects of the application may look alike, so that a single key more makes them data again.
    function isPacket(value) {
      if (!value || !Array.isArray(value.data)) return false;
      if (!Object.keys(value).every(function (key) { return key === 'type' || key === 'data' || key === 'id'; })) return false;
      if (owned(value, 'id') && typeof value.id !== 'number') return false;
      return value.type === EVENT ? typeof value.data[0] === 'string' : value.type === ACK && owned(value, 'id');
    }

    // Gives `send` to a connection or a channel on one; returns a function that takes what arrives there and
    // says whether it was a packet of ours.
    function extend(conn) {
      var lastId = 0;
      var pending = {};
      // Counts connections: an answer must not travel on a later one, where the server has given the id anew.
      var epoch = 0;

      function settle(id, args) {
        if (!owned(pending, id)) return;
        var callback = pending[id].callback;
        delete pending[id];
        callback.apply(conn, args);
      }

      // Every callback is called, also if one throws.
      function fail(ids) {
        if (!ids.length) return;
        var error = new Error('The connection ended before the event was acknowledged');
        error.code = 'ECONNRESET';
        try {
          settle(ids[0], [error]);
        } finally {
          fail(ids.slice(1));
        }
      }

      function answer(id) {
        var asked = epoch;
        var done = false;
        return function () {
          if (done || asked !== epoch) return;
          done = true;
          conn.write({ id: id, type: ACK, data: Array.prototype.slice.call(arguments) });
        };
      }

      conn.on('readyStateChange', function (state) {
        if (state === 'open') {
          // The queue goes out now.
          Object.keys(pending).forEach(function (id) { pending[id].sent = true; });
        } else if (state === 'end') {
          epoch++;
          fail(Object.keys(pending).filter(function (id) { return pending[id].sent; }));
        }
      });
      conn.on('end', function () { fail(Object.keys(pending)); });

      conn.send = function (event) {
        var packet = { type: EVENT, data: Array.prototype.slice.call(arguments) };
        if (event === 'newListener' || event === 'removeListener') return conn;
        if (typeof packet.data[packet.data.length - 1] === 'function') {
          packet.id = ++lastId;
          pending[packet.id] = { callback: packet.data.pop(), sent: conn.readyState === conn.constructor.OPEN };
        }
        if (conn.write(packet) === false && packet.id) {
          setTimeout(function () { fail([packet.id]); }, 0);
        }
        return conn;
      };

      return function (value) {
        if (!isPacket(value)) return false;
        var args = value.data.slice();
        if (value.type === ACK) {
          settle(value.id, args);
        } else if (!conn.reserved(args[0])) {
          if (value.id) args.push(answer(value.id));
          (conn === primus ? raise : conn.emit).apply(conn, args);
        }
        return true;
      };
    }

    var receive = extend(primus);
    primus.emitter = { extend: extend }; // for channels

    primus.transform('incoming', function (packet) {
      var value = packet.data;
      if (receive(value)) return false;
      if (!value || !Array.isArray(value.emit)) return;
      if (!primus.reserved(value.emit[0])) raise.apply(primus, value.emit);
      return false;
    });

    primus.emit = function (event) {
      if (primus.reserved(event) || LOCAL.indexOf(' ' + event + ' ') >= 0) return raise.apply(primus, arguments);
      primus.write({ emit: Array.prototype.slice.call(arguments) });
      return true;
    };
  }
})
