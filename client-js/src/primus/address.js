// URLs, and small functions that Primus offers as methods.

var ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_';
var PORTS = { 'http:': 80, 'ws:': 80, 'https:': 443, 'wss:': 443 };

// Parts of the address of the page that the script runs in, or of what the page is from: `protocol`, `hostname`, `port`.
var place = /^(https?:)\/\/(\[.*\]|[^:]*)(?::(\d+))?$/i.exec(home());

function base64(number) {
  var text = '';
  do {
    text = ALPHABET.charAt(number % 64) + text;
    number = Math.floor(number / 64);
  } while (number);
  return text;
}

var lastTime, sameTime;

// The time, different at each call: no cache may take one URL for another.
function unique() {
  var time = base64(Date.now());
  if (time === lastTime) return time + '.' + base64(sameTime++);
  sameTime = 0;
  return (lastTime = time);
}

function decoded(text) {
  return decodeURIComponent(text.replace(/\+/g, ' '));
}

// Of keys that come twice, the first counts. What cannot be decoded does not count.
proto.querystring = function (query) {
  var result = {};
  String(query || '').replace(/([^=?#&]+)=?([^&#]*)/g, function (_, key, value) {
    try {
      key = decoded(key);
      value = decoded(value);
    } catch (error) {
      return;
    }
    if (!has(result, key)) result[key] = value;
  });
  return result;
};

// `prefix`: what to begin with if there is anything; true stands for a question mark.
proto.querystringify = function (object, prefix) {
  var text = Object.keys(object).map(function (key) {
    var value = object[key];
    return encodeURIComponent(key) + '=' + encodeURIComponent(value === null || value === undefined ? '' : value);
  }).join('&');
  return (text && prefix ? (prefix === true ? '?' : prefix) : '') + text;
};

// What is missing in front of the path is the page's.
proto.parse = function (text) {
  var match = /^(?:([a-z][\w.+-]*:)?\/\/(?:([^@\/?#]*)@)?(\[[^\]]*\]|[^:\/?#]*)(?::(\d*))?)?([^?#]*)(\?[^#]*)?(#.*)?$/i
    .exec(String(text).trim()) || [];
  var protocol = (match[1] || (place ? place[1] : 'http:')).toLowerCase();
  var auth = match[2] || '';
  var user = auth.split(':');
  var hostname = (match[3] || (place ? place[2] : '127.0.0.1')).toLowerCase();
  var port = (match[3] ? match[4] : place && place[3]) || '';
  var url = {};
  if (+port === PORTS[protocol]) port = '';
  url.slashes = true;
  url.protocol = protocol;
  url.hash = match[7] || '';
  url.query = match[6] || '';
  url.pathname = (match[5] || '').replace(/^\/?/, '/');
  url.auth = auth;
  url.host = hostname + (port && ':' + port);
  url.port = port;
  url.hostname = hostname;
  url.username = user[0];
  url.password = user.slice(1).join(':');
  url.origin = protocol + '//' + url.host;
  url.href = protocol + '//' + (auth && auth + '@') + url.host + url.pathname + url.query + url.hash;
  return url;
};

// Where to connect to: `protocol` is `ws:` or `http:`, without an `s`; `query` asks for the query, `object` for
// the parts instead of the text. What is wished for otherwise wins over what the URL says, and listeners of
// `outgoing::url` may change all parts.
proto.uri = function (wish) {
  var url = this.url;
  var options = this.merge({
    protocol: 'http:',
    secure: /^(https|wss):$/.test(url.protocol),
    auth: url.auth,
    pathname: this.pathname
  }, wish);
  var hasQuery = options.query;
  var query = this.querystring(hasQuery && url.query);
  query._primuscb = unique();
  options.query = this.querystringify(query);
  options.port = 'port' in options ? +options.port : +url.port || (options.secure ? 443 : 80);
  this.emit('outgoing::url', options);
  if (options.object) return options;
  return options.protocol.replace(/:?$/, options.secure ? 's:' : ':') + '//' + (options.auth ? options.auth + '@' : '') +
    url.host + (options.pathname || '').replace(/^\/?(?=.)/, '/') + (hasQuery && options.query ? '?' + options.query : '');
};

// Later ones win. Not deep.
proto.merge = function (target) {
  slice.call(arguments, 1).forEach(function (source) {
    Object.keys(source || {}).forEach(function (key) { target[key] = source[key]; });
  });
  return target;
};

proto.clone = function (object) {
  return this.merge({}, object);
};
