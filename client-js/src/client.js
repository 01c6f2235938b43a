// The class, its settings and what every other file leans on.

var settings = "%SETTINGS%";

function has(object, key) {
  return Object.prototype.hasOwnProperty.call(object, key);
}

// Own keys that have a value, and never `__proto__`: assigning that one would swap the target's prototype.
function copy(target, source) {
  for (var key in source) {
    if (has(source, key) && key !== '__proto__' && source[key] !== undefined) target[key] = source[key];
  }
  return target;
}

// What is given, and the defaults for the rest. Where a number is due, only a number counts.
function chosen(defaults, given) {
  var result = copy(copy({}, defaults), given);
  Object.keys(defaults).forEach(function (key) {
    if (typeof defaults[key] === 'number') result[key] = measure(result[key], defaults[key]);
  });
  return result;
}

// What a listener or callback throws must reach the console, and nothing else.
function guard(fn, args) {
  try {
    fn.apply(null, args);
  } catch (error) {
    setTimeout(function () { throw error; }, 0);
  }
}

// Both styles of a call: the callback if there is one, else a promise. Pages without `Promise` get
// nothing back. `start` receives the node-style function that ends the call.
function dual(callback, start, responseFirst) {
  var hasCallback = typeof callback === 'function';
  if (!hasCallback && typeof Promise !== 'undefined') {
    return new Promise(function (resolve, reject) {
      start(function (error, response) {
        if (error) reject(error);
        else resolve(response);
      });
    });
  }
  start(function (error, response) {
    if (hasCallback) guard(callback, responseFirst ? [response, error] : [error, response]);
  });
}

function StellarClient(options, externalSocket) {
  var where;
  options = this.options = chosen(copy({
    callTimeout: 30000,
    connectTimeout: 10000,
    fallbackTimeout: 4000,
    upgradeDelay: 30000
  }, settings), options);
  if (externalSocket) options.WebSocket = externalSocket;
  where = home();
  options.url = (options.url || (where === null ? 'http://127.0.0.1:8080' : where)).replace(/\/+$/, '');
  options.reconnect = options.reconnect !== false &&
    chosen({ min: 500, max: 30000, factor: 2, retries: Infinity, timeout: 30000 }, options.reconnect);

  this.state = 'disconnected';
  this.transport = null; // what carries the connection now
  this.rooms = [];
  this.messageCount = 0;
  this.interceptors = [];
  this._listeners = Object.create(null); // event name -> functions
  this._pending = Object.create(null); // number of a written packet -> function that ends its call
  this._waiting = null; // calls made before the connection is ready, or null when none may wait
  this._actions = []; // actions that wait for one of `simultaneousActions` places
  this._running = 0; // actions on the socket
  this._links = 0; // sockets begun and ended so far: handlers of an older one compare and keep quiet
}

var proto = StellarClient.prototype;
