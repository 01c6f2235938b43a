(function () {
  // MessagePack, as the npm module `primus-msgpack` has it.
  // What extensions are made of and into, by their types. Errors, objects around primitive values, then
  // bytes; the second Uint8Array is for Node's Buffer.
  var CLASSES = [
    0, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, 0, 0, 0, RegExp, Boolean, String, Date,
    Error, Number, 0, Int8Array, Uint8Array, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array,
    Float64Array, Uint8ClampedArray, ArrayBuffer, Uint8Array, 0, DataView
  ];
  var REGEXP = 0x0a;
  var DATE = 0x0d;
  var ERROR = 0x0e;
  var FIRST_BYTES = 0x11;

  function refuse() {
    throw new Error('Not MessagePack');
  }

  function copyError(from, to) {
    ['name', 'message', 'stack', 'columnNumber', 'fileName', 'lineNumber'].forEach(function (key) {
      to[key] = from[key];
    });
    return to;
  }

  function view(data) {
    if (typeof data === 'string') refuse();
    if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return new Uint8Array(data);
  }

  function encode(value) {
    var out = [];

    function uint(number, width) {
      while (width--) out.push(number >>> 8 * width & 255);
    }

    function append(bytes) {
      for (var i = 0; i < bytes.length; i++) out.push(bytes[i]);
    }

    // Lengths below `limit` are in the mark. Others follow theirs in one, two or four bytes, and `first` is the mark of
    // the first of these forms. Arrays and objects lack it.
    function head(length, mark, limit, first) {
      if (length < limit) return out.push(mark | length);
      // Only text uses the last length of one byte; so does the npm module.
      var form = limit !== 16 && length < (limit ? 256 : 255) ? 0 : length < 65536 ? 1 : 2;
      out.push(first + form);
      uint(length, 1 << form);
    }

    function text(value) {
      // Half a character has no place in UTF-8.
      var whole = value.replace(/[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]/g, function (found) {
        return found[1] ? found : '\ufffd';
      });
      var bytes = unescape(encodeURIComponent(whole));
      head(bytes.length, 0xa0, 32, 0xd9);
      for (var i = 0; i < bytes.length; i++) out.push(bytes.charCodeAt(i));
    }

    function number(value) {
      var int = value | 0;
      var float, form;
      if (int !== value) {
        float = new DataView(new ArrayBuffer(8));
        float.setFloat64(0, value);
        out.push(0xcb);
        append(view(float));
      } else if (int >= -32 && int < 128) {
        uint(int, 1);
      } else {
        // As wide as needed, signed only if negative.
        form = int < 0 ? ~int * 2 : int;
        form = form < 256 ? 0 : form < 65536 ? 1 : 2;
        out.push((int < 0 ? 0xd0 : 0xcc) + form);
        uint(int, 1 << form);
      }
    }

    function extension(type, bytes) {
      var width = [1, 2, 4, 8, 16].indexOf(bytes.length);
      if (width < 0) head(bytes.length, 0, 0, 0xc7);
      else out.push(0xd4 + width);
      out.push(type);
      append(bytes);
    }

    function object(value) {
      var type = CLASSES.indexOf(value.constructor);
      var keys;
      if (Array.isArray(value)) {
        head(value.length, 0x90, 16, 0xdb);
        // Not `forEach`, which leaves out holes.
        for (var i = 0; i < value.length; i++) any(value[i]);
      } else if (type >= FIRST_BYTES) {
        extension(type, view(value));
      } else if (type > 0) {
        extension(type, encode(
          type === REGEXP ? [value.source, /\w*$/.exec(value)[0]] :
          type < REGEXP || type === ERROR ? copyError(value, {}) : type === DATE ? +value : value.valueOf()
        ));
      } else if (ArrayBuffer.isView(value)) {
        head(value.byteLength, 0, 0, 0xc4);
        append(view(value));
      } else {
        keys = Object.keys(value);
        head(keys.length, 0x80, 16, 0xdd);
        keys.forEach(function (key) {
          text(key);
          any(value[key]);
        });
      }
    }

    function any(value) {
      var type = typeof value;
      if (type === 'bigint') refuse();
      if (type === 'number') number(value);
      else if (type === 'string') text(value);
      else if (type === 'object' && value) object(value);
      else out.push(value === true ? 0xc3 : value === false ? 0xc2 : 0xc0);
    }

    any(value);
    return new Uint8Array(out);
  }

  function decode(data) {
    var bytes = view(data);
    var reader = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    var at = 0;
    var result;

    function take(length) {
      if (length > bytes.length - at) refuse();
      at += length;
      return bytes.subarray(at - length, at);
    }

    // `kind` is Uint, Int or Float.
    function number(kind, width) {
      take(width);
      return reader['get' + kind + 8 * width](at - width);
    }

    function text(length) {
      var text = '';
      var part = take(length);
      for (var i = 0; i < length; i++) text += String.fromCharCode(part[i]);
      return decodeURIComponent(escape(text));
    }

    function array(length) {
      var values = [];
      while (length--) values.push(any());
      return values;
    }

    function object(length) {
      var values = {};
      var key;
      while (length--) {
        key = any();
        if (key === '__proto__') {
          // Assignment would set the prototype.
          Object.defineProperty(values, key, { configurable: true, enumerable: true, writable: true });
        }
        values[key] = any();
      }
      return values;
    }

    function extension(length) {
      var type = number('Uint', 1);
      var part = new Uint8Array(take(length));
      var Class = CLASSES[type];
      if (!Class) refuse();
      if (type >= FIRST_BYTES) return Class === ArrayBuffer ? part.buffer : new Class(part.buffer);
      part = decode(part);
      if (type === REGEXP) return new RegExp(part[0], part[1]);
      return type < REGEXP || type === ERROR ? copyError(part, new Class()) : new Class(part);
    }

    function any() {
      var mark = number('Uint', 1);
      var low = mark & 15;

      // Of a length or number whose first mark this is: the marks of wider ones follow.
      function uint(first) { return number('Uint', 1 << mark - first); }

      if (mark < 0x80) return mark;
      if (mark < 0x90) return object(low);
      if (mark < 0xa0) return array(low);
      if (mark < 0xc0) return text(mark & 31);
      if (mark > 0xdf) return mark - 256;
      if (mark > 0xdd) return object(uint(0xdd));
      if (mark > 0xdb) return array(uint(0xdb));
      if (mark > 0xd8) return text(uint(0xd9));
      if (mark > 0xd3) return extension(1 << mark - 0xd4);
      if (mark === 0xd3) return number('Int', 4) * 4294967296 + number('Uint', 4);
      if (mark > 0xcf) return number('Int', 1 << mark - 0xd0);
      if (mark === 0xcf) return number('Uint', 4) * 4294967296 + number('Uint', 4);
      if (mark > 0xcb) return uint(0xcc);
      if (mark > 0xc9) return number('Float', mark > 0xca ? 8 : 4);
      if (mark > 0xc6) return extension(uint(0xc7));
      if (mark > 0xc3) return new Uint8Array(take(uint(0xc4)));
      if (mark === 0xc1) refuse();
      return mark > 0xc0 ? mark > 0xc2 : null;
    }

    result = any();
    if (at < bytes.length) refuse();
    return result;
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
    name: 'msgpack',
    binary: true,
    encoder: callback(encode),
    decoder: callback(decode)
  };
})()
