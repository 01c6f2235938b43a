// From long polling to WebSocket, while the session lives:
//
//   client                                server
//     |--- socket opens, 2probe ------------>|
//     |<------------------------- 3probe ----|  and the held GET is answered
//     |    begins no GET or POST, waits for those under way
//     |--- 5, then what has gathered ------->|
//
// The session belongs to polling until 5 is sent: a probe that fails or stays silent changes nothing.

var PROBE_LIMIT = 10000; // ms

// Returns the function that ends the attempt, and the socket if there is one.
function upgrade(client, url, session) {
  var timers = new Timers();
  var isMoved = false;
  var socket;

  function stop() {
    var old = socket;
    socket = null;
    timers.clear();
    if (old) old.close();
  }

  function failed() {
    stop();
    session.pause();
  }

  function move() {
    timers.clear();
    isMoved = true;
    socket.send('5');
    session.move(socket);
  }

  timers.setTimeout('probe', failed, PROBE_LIMIT);
  try {
    socket = dial(client, url, {
      open: function () { socket.send('2probe'); },
      message: function (packet) {
        if (isMoved) session.take(packet);
        else if (packet === '3probe') session.pause(move);
        else failed();
      },
      error: function (error) {
        if (isMoved) session.finish(error);
        else failed();
      },
      close: function (info) {
        if (isMoved) session.finish(null, info);
        else failed();
      }
    });
  } catch (error) {
    stop();
  }
  return stop;
}
