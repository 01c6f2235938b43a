// From long polling to WebSocket, while the session lives:
//
//   client                                server
//     |--- socket opens, 2probe ------------>|
//     |<------------------------- 3probe ----|  and the held GET is answered
//     |    begins no GET or POST, waits for those under way
//     |--- 5, then what has gathered ------->|
//
// The session belongs to polling until 5 is sent: a probe that fails or stays silent changes nothing.

var LONGEST_UPGRADE_DELAY = 1800000;

// Plans the upgrade of a polling link, if there can be one. Returns the function that ends the plan, and the
// socket if there is one.
function upgrade(options, hello, link) {
  var names = options.transports;
  var delay = options.upgradeDelay;
  // It carried the last connection: the server was away, the way to it is the same.
  var isKnown = worked[place(options)] === OVER_WEBSOCKET;
  var isMoved = false;
  var socket, timer;

  function stop() {
    var old = socket;
    clearTimeout(timer);
    socket = null;
    if (old) old.close();
  }

  function plan() {
    timer = later(probe, isKnown ? 0 : delay);
    if (!isKnown) delay = Math.min(Math.max(delay, 1) * 2, LONGEST_UPGRADE_DELAY);
    isKnown = false;
  }

  function failed() {
    stop();
    plan();
    link.pause();
  }

  function move() {
    clearTimeout(timer);
    isMoved = true;
    socket.send('5');
    link.move(socket);
    link.moved();
  }

  function probe() {
    var mine;

    function whileCurrent(fn) {
      return function (argument) {
        if (mine === socket) fn(argument);
      };
    }

    timer = options.fallbackTimeout && later(failed, options.fallbackTimeout);
    try {
      socket = mine = dial(options, address(options, '/?EIO=4&transport=websocket&sid=' + hello.sid + '&'), {
        open: whileCurrent(function () { mine.send('2probe'); }),
        message: whileCurrent(function (packet) {
          if (!isMoved) {
            if (packet === '3probe') link.pause(move);
            else failed();
          } else if (typeof packet === 'string') {
            link.take(packet);
          }
        }),
        close: whileCurrent(function (info) {
          if (isMoved) link.finish(info);
          else failed();
        })
      });
    } catch (error) {
      failed();
    }
  }

  // Only if a WebSocket was wished for first.
  if (webSocket(options) && [].concat(hello.upgrades).indexOf('websocket') >= 0 &&
      names.lastIndexOf(OVER_WEBSOCKET, names.indexOf(OVER_POLLING)) >= 0) {
    plan();
    return stop;
  }
}
