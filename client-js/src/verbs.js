// One method per verb. The order of callback arguments differs between them; applications rely on it.

function verb(client, packet, callback, responseFirst) {
  return dual(callback, function (done) { call(client, packet, verdict(done)); }, responseFirst);
}

function details(client, done) {
  call(client, { event: 'detailsView' }, verdict(function (error, packet) {
    if (!error) remember(client, packet);
    done(error, packet);
  }));
}

// After the server's answer the details are asked for again, so that `rooms` is right when the
// caller hears of it. Promises get these details, callbacks the answer to the verb.
function membership(client, packet, callback) {
  var answer;
  return dual(typeof callback === 'function' && function (error) { callback(error, answer); }, function (done) {
    call(client, packet, verdict(function (error, response) {
      var room = packet.room;
      var index = client.rooms.indexOf(room);
      answer = response;
      if (packet.event === 'roomAdd') {
        if (!error && index < 0) client.rooms.push(room);
      } else if (index >= 0 && !response) {
        // No answer, but the wish is clear: do not join again after a reconnect.
        client.rooms.splice(index, 1);
      }
      if (error) done(error);
      else details(client, done);
    }));
  });
}

proto.roomAdd = proto.roomJoin = proto.join = function (room, callback) {
  return membership(this, { event: 'roomAdd', room: room }, callback);
};

proto.roomLeave = proto.leave = function (room, callback) {
  return membership(this, { event: 'roomLeave', room: room }, callback);
};

proto.say = function (room, message, callback) {
  if (arguments.length < 2 || typeof message === 'function') {
    callback = message;
    message = room;
    room = this.options.defaultRoom;
  }
  return verb(this, { event: 'say', room: room, message: message }, callback);
};

proto.detailsView = function (callback) {
  var self = this;
  return dual(callback, function (done) { details(self, done); });
};

proto.roomView = function (room, callback) {
  return verb(this, { event: 'roomView', room: room }, callback, true);
};

proto.file = function (path, callback) {
  return verb(this, { event: 'file', file: path }, callback, true);
};

// Any packet; the answer as it comes. A `messageId` of the caller's own stands in the answer.
proto.send = function (packet, callback) {
  var self = this;
  packet = copy({}, packet);
  return dual(callback, function (done) {
    done._id = packet.messageId;
    delete packet.messageId;
    call(self, packet, done);
  }, true);
};
