// Actions: interceptors, then a place on the socket, or HTTP when there is no connection.

proto.action = function (name, params, callback) {
  var self = this;
  if (typeof params === 'function') {
    callback = params;
    params = null;
  }
  params = copy({}, params);
  params.action = name;
  // Callbacks get one argument, with any error inside.
  return dual(typeof callback === 'function' && function (error, response) {
    callback(!error || error.error ? error || response : { error: error });
  }, function (done) { intercept(self, params, done); });
};

// Runs the interceptors, last pushed first, then the action, then the hooks that they left.
function intercept(client, params, done) {
  var chain = client.interceptors.slice();
  var hooks = [];

  function finish(value, rejected) {
    hooks.forEach(function (hook) { guard(hook, [value]); });
    done(rejected || value.error ? value : null, value);
  }

  function step() {
    var interceptor = chain.pop();
    var settled = false;

    function settle(fn) {
      if (!settled) {
        settled = true;
        fn();
      }
    }

    function reject(error) {
      settle(function () { finish(error || new Error('rejected by an interceptor'), true); });
    }

    function next(response, error) {
      if (error) return reject(error);
      settle(function () {
        if (typeof response === 'function') hooks.unshift(response);
        else if (response) return finish(response);
        proceed();
      });
    }

    if (typeof interceptor !== 'function') {
      console.warn('StellarClient: an interceptor is not a function');
      return proceed();
    }
    try {
      interceptor(params, next, reject);
    } catch (error) {
      reject(error);
    }
  }

  function proceed() {
    if (chain.length) return step();
    client._actions.push({ params: params, done: finish });
    pump(client);
  }

  proceed();
}

// Starts waiting actions in order. The server refuses more than `simultaneousActions` at once on a
// socket; HTTP has no such limit.
function pump(client) {
  var waiting = client._actions;
  var connected;
  while (waiting.length) {
    connected = client.state === 'connected';
    if (connected && client._running >= client.options.simultaneousActions) return;
    (connected ? run : request)(client, waiting.shift());
  }
}

function run(client, action) {
  // A little longer than for verbs, so that the server's own time limit speaks first.
  var timeout = client.options.callTimeout && client.options.callTimeout + 5000;
  function done(error, packet) {
    client._running--;
    action.done(error ? { error: error } : packet);
    pump(client);
  }
  var text = encode({ event: 'action', params: action.params }, done);
  client._running++;
  if (text) write(client, text, timeout, done);
}
