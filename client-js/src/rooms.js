// Room events: small named messages to the members of rooms.

// Names that mean something about the connection itself: a room member must not be able to raise them.
var BUILT_IN = ' connected disconnected error reconnecting reconnect timeout message alert api welcome say transport ';

function scoped(room, event) {
  return '[' + room + '].' + event;
}

function roomEvent(client, packet) {
  var message = packet.message;
  var event = message && message.event;
  if (typeof event !== 'string') return;
  // A name that starts with "[" could pass for the event of another room.
  if (BUILT_IN.indexOf(' ' + event + ' ') < 0 && event.charAt(0) !== '[') client._raise(event, message.data, packet);
  client._raise(scoped(packet.room, event), message.data, packet);
}

// A set of rooms. Sets are not changed by `to` and `from`: these return a larger one.
function Scope(client, rooms) {
  this._client = client;
  this.rooms = rooms;
}

Scope.prototype.to = Scope.prototype.from = Scope.prototype['for'] = function () {
  return new Scope(this._client, this.rooms.concat.apply(this.rooms, arguments));
};

// One packet per room; ends when all are answered, with the first error if there is one. The answers
// come as an array in the order of the rooms.
Scope.prototype.emit = function (event, data, callback) {
  var client = this._client;
  var rooms = this.rooms;
  if (typeof data === 'function') {
    callback = data;
    data = null;
  }
  return dual(callback, function (done) {
    var left = rooms.length;
    var packets = [];
    var firstError = null;
    if (!left) done(null, packets);
    rooms.forEach(function (room, index) {
      var params = { room: room, event: event, data: data === undefined ? null : data };
      call(client, { event: 'event', params: params }, verdict(function (error, packet) {
        packets[index] = packet;
        firstError = firstError || error;
        if (!--left) done(firstError, packets);
      }));
    });
  });
};

['on', 'off'].forEach(function (method) {
  Scope.prototype[method] = function (event, listener) {
    var client = this._client;
    this.rooms.forEach(function (room) { client[method](scoped(room, event), listener); });
    return this;
  };
});

proto.to = proto.from = proto['for'] = function () {
  return new Scope(this, [].concat.apply([], arguments));
};

proto.emit = function (event, data, callback) {
  return this.to(this.options.defaultRoom).emit(event, data, callback);
};

proto.setDefaultRoom = function (room) {
  this.options.defaultRoom = room;
};
