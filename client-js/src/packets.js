// Packets out, packets in: numbering, pending calls, and what each context raises.

// How many calls may wait for the connection to be ready.
var MAX_WAITING = 1000;

// The `Error` of a verb or file answer, null if it succeeded. Older servers send no `error`,
// only a `status` that is not "OK"; file answers have no `status`.
function failure(packet) {
  var detail = packet.error || packet.status;
  if (!detail || detail === 'OK') return null;
  var error = new Error(detail.message || String(detail));
  error.code = detail.code;
  error.packet = packet;
  return error;
}

// JSON text, taken when the call is made: the caller may change its objects while a call waits.
function encode(packet, done) {
  try {
    return JSON.stringify(packet);
  } catch (error) {
    setTimeout(function () { done(error); }, 0);
  }
}

// Writes one packet. Both sides count packets, so the number belongs to the write, not to the call. It goes along as
// `messageId`, marked as ours: the server gives that back with the answer, and so neither the server's count nor a
// `messageId` of the application's own decides who is answered.
function write(client, text, timeout, done) {
  var number = ++client.messageCount;
  var pending = client._pending;
  var timer = timeout && later(function () {
    pending[number](new Error('no answer within ' + timeout + ' ms'));
  }, timeout);
  pending[number] = function (error, packet) {
    delete pending[number];
    clearTimeout(timer);
    done(error, packet);
  };
  pending[number]._id = done._id;
  client._socket.send(text.replace(/^\{(?=")/, '{"messageId":"~' + number + '",'));
}

// A packet on an open socket, whether or not the connection is ready.
function ask(client, text, done) {
  write(client, text, client.options.callTimeout, done);
}

// What ends a verb: its answer may be a failure.
function verdict(done) {
  return function (error, packet) {
    if (!error) {
      error = failure(packet);
      // Details are readable as `response.data.id` and as `response.id`.
      if (typeof packet.data === 'object') copy(packet, copy(copy({}, packet.data), packet));
    }
    done(error, packet);
  };
}

// A packet of the application: now, when the connection is ready, or not at all.
function call(client, packet, done) {
  var waiting = client._waiting;
  var text = encode(packet, done);
  if (!text) return;
  if (client.state === 'connected') {
    ask(client, text, done);
  } else if (waiting && waiting.length < MAX_WAITING) {
    waiting.push({ text: text, done: done });
  } else {
    setTimeout(function () {
      done(new Error(waiting ? 'too many calls wait for the connection' : 'not connected'));
    }, 0);
  }
}

// Takes the written calls that have no answer out of the client.
function unanswered(client) {
  var pending = client._pending;
  client._pending = Object.create(null);
  return Object.keys(pending).map(function (number) { return pending[number]; });
}

// The number of the call that an answer ends. A server whose count has differed from ours is not asked for it again on
// this link. What is ours in the packet goes, so that the application finds in it what it would find without us.
function numberOf(client, packet) {
  var id = packet.messageId;
  var number, call;
  if (typeof id !== 'string' || id.charAt(0) !== '~') return !client._miscounts && packet.messageCount;
  number = id.slice(1);
  client._miscounts = client._miscounts || number !== String(packet.messageCount);
  call = client._pending[number];
  delete packet.messageId;
  if (call && call._id !== undefined) packet.messageId = call._id;
  return number;
}

// What Primus's protocol says beside messages.
function control(client, text) {
  if (!text.indexOf('primus::ping::')) client._socket.send(JSON.stringify(text.replace('ping', 'pong')));
  if (/^primus::server::retry::\d+$/.test(text)) client._hint = +text.slice(23);
  if (text === 'primus::server::close') endedByServer(client);
}

function receive(client, text) {
  var packet, context, number, answered;
  try {
    packet = JSON.parse(text);
  } catch (error) {
    return client._raise('error', error);
  }
  if (!SOCKETIO && typeof packet === 'string' && !packet.indexOf('primus::')) return control(client, packet);
  context = packet && packet.context;
  number = context === 'response' && numberOf(client, packet);
  client._raise('message', packet);
  if (context === 'response') {
    answered = client._pending[number];
    if (answered) answered(null, packet);
  } else if (context === 'user') {
    client._raise('say', packet);
    roomEvent(client, packet);
  } else if (context === 'alert') {
    client._raise('alert', packet);
  } else if (context === 'api' && packet.welcome) {
    client.welcomeMessage = packet.welcome;
    client._raise('welcome', packet);
  } else {
    client._raise('api', packet);
  }
}
