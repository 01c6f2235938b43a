// Between the events of the client and a link. `begin(client, handlers)` opens a link; what the handlers of an old
// one say is passed over.

function drive(client, begin) {
  var link, turn; // the link, and what tells its handlers from those of others
  var losing = nothing;

  function drop() {
    var old = link;
    link = turn = null;
    if (old) old.close();
  }

  function connect() {
    var mine = {};
    var isOpen = false;
    var hasFailed = false;

    function current(fn) {
      return function (argument) {
        if (turn === mine) fn(argument);
      };
    }

    function fail(error) {
      hasFailed = true;
      client.emit('incoming::error', error);
    }

    function lose(info) {
      // Whoever waits for the opening is to learn that there will be none.
      if (!isOpen && !hasFailed) fail(new Error('Closed before it was open'));
      if (turn !== mine) return;
      link = turn = null;
      client.emit('incoming::end', info);
    }

    client.emit('outgoing::end');
    turn = mine;
    losing = current(lose);
    try {
      link = begin(client, {
        open: current(function () {
          isOpen = true;
          client.emit('incoming::open');
        }),
        message: current(function (message) { client.emit('incoming::data', message); }),
        alive: current(function () { client.heartbeat(); }),
        error: current(fail),
        close: current(lose)
      });
      client.socket = link.socket;
    } catch (error) {
      // Later, as any other failure: the caller has more to tell first.
      setTimeout(current(function () {
        fail(error);
        if (turn === mine) lose();
      }), 0);
    }
  }

  client._drop = drop;
  // The page is left: what is said has to leave with it. Returns what tells of the loss.
  client._leave = function () {
    var old = link;
    link = null;
    if (old) old.close(true);
    return losing;
  };
  client.on('outgoing::open', connect);
  client.on('outgoing::reconnect', function () { client.emit('outgoing::open'); });
  client.on('outgoing::end', drop);
  client.on('outgoing::data', function (message) {
    if (!link) return;
    try {
      link.send(message);
    } catch (error) {
      client.emit('incoming::error', error);
    }
  });
}
