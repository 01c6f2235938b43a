(function () {
  // EJSON, as the npm module `ejson` has it.
  // The marks of objects that stand for something else; where there is a second key, it is the value here.
  var MARKS = { $date: 0, $binary: 0, $InfNaN: 0, $escape: 0, $regexp: '$flags', $type: '$value' };

  function markOf(object) {
    var keys = Object.keys(object);
    return keys.filter(function (key) {
      return MARKS.hasOwnProperty(key) && keys.length === (MARKS[key] ? 2 : 1) &&
        (!MARKS[key] || keys.indexOf(MARKS[key]) >= 0);
    })[0];
  }

  // Anything but `defineProperty` would set a prototype where the key is `__proto__`.
  function map(object, fn) {
    if (Array.isArray(object)) return object.map(fn);
    return Object.keys(object).reduce(function (result, key) {
      return Object.defineProperty(result, key, {
        value: fn(object[key]), configurable: true, enumerable: true, writable: true
      });
    }, {});
  }

  function marked(mark, value, second) {
    var result = {};
    result[mark] = value;
    if (MARKS[mark]) result[MARKS[mark]] = second;
    return result;
  }

  function base64(bytes) {
    var text = '';
    for (var i = 0; i < bytes.length; i++) text += String.fromCharCode(bytes[i]);
    return btoa(text);
  }

  function bytes(base64) {
    var text = atob(base64);
    var result = new Uint8Array(text.length);
    for (var i = 0; i < text.length; i++) result[i] = text.charCodeAt(i);
    return result;
  }

  function encode(value) {
    if (typeof value === 'number' && !isFinite(value)) {
      return marked('$InfNaN', value !== value ? 0 : value > 0 ? 1 : -1);
    }
    if (!value || typeof value !== 'object') return value;
    if (value instanceof Date) return marked('$date', value.getTime());
    if (value instanceof RegExp) return marked('$regexp', value.source, /\w*$/.exec(value)[0]);
    if (value instanceof Uint8Array) return marked('$binary', base64(value));
    return markOf(value) ? marked('$escape', map(value, encode)) : map(value, encode);
  }

  function decode(value) {
    var mark, content;
    if (!value || typeof value !== 'object') return value;
    mark = markOf(value);
    content = value[mark];
    switch (mark) {
      case '$date': return new Date(content);
      case '$binary': return bytes(content);
      case '$InfNaN': return content / 0;
      case '$escape': return map(content, decode);
      case '$regexp': return new RegExp(content, value.$flags);
      case '$type': throw new Error('Custom EJSON type ' + content + ' is not defined');
      default: return map(value, decode);
    }
  }

  function callback(convert) {
    return function (data, fn) {
      var error, result;
      try {
        result = convert(data);
      } catch (reason) {
        error = reason;
      }
      fn(error, result);
    };
  }

  return {
    name: 'ejson',
    binary: false,
    encoder: callback(function (data) { return JSON.stringify(encode(data)); }),
    decoder: callback(function (data) {
      if (typeof data !== 'string') throw new Error('EJSON is text, not bytes');
      return decode(JSON.parse(data));
    })
  };
})()
