// MessagePack, as the npm module `primus-msgpack` has it.
(function () {
  // What extensions are made of and into, by their types. Errors, objects around primitive values, then bytes.
  var CLASSES = [
    0, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, 0, 0, 0, RegExp, Boolean, String, Date,
    Error, Number, 0, Int8Array, Uint8Array, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array,
    Float64Array, Uint8ClampedArray, ArrayBuffer, 0, 0, DataView
  ];
  var REGEXP = 0x0a;
  var DATE = 0x0d;
  var ERROR = 0x0e;
  var FIRST_BYTES = 0x11;
  var BUFFER = 0x1b;

  function copyError(from, to) {
    ['name', 'message', 'stack', 'columnNumber', 'fileName', 'lineNumber'].forEach(function (key) {
      to[key] = from[key];
    });
    return to;
  }

  function view(data) {
    return ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
  }

  function encode(value) {
    var out = [];

    function uint(number, width) {
      while (width--) out.push(number >>> 8 * width & 255);
    }

    function append(bytes) {
      for (var i = 0; i < bytes.length; i++) out.push(bytes[i]);
    }

    // Lengths below `limit` are in the mark. For others `marks` has those with one, two and four bytes after them.
    function head(length, mark, limit, marks) {
      if (length < limit) return out.push(mark | length);
      // Only text uses the last length of one byte; so does the npm module.
      var at = marks[0] && length < (limit ? 256 : 255) ? 0 : length < 65536 ? 1 : 2;
      out.push(marks[at]);
      uint(length, 1 << at);
    }

    function text(value) {
      // Half a character has no place in UTF-8.
      var bytes = unescape(encodeURIComponent(value.replace(/[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]/g, function (found) {
        return found[1] ? found : '\ufffd';
      })));
      head(bytes.length, 0xa0, 32, [0xd9, 0xda, 0xdb]);
      for (var i = 0; i < bytes.length; i++) out.push(bytes.charCodeAt(i));
    }

    function number(value) {
      var int = value | 0;
      var bytes;
      if (int !== value) {
        bytes = new DataView(new ArrayBuffer(8));
        bytes.setFloat64(0, value);
        out.push(0xcb);
        append(view(bytes));
      } else if (int >= -32 && int < 128) {
        uint(int, 1);
      } else {
        // As wide as needed, signed only if negative.
        bytes = int < 0 ? ~int * 2 : int;
        bytes = bytes < 256 ? 0 : bytes < 65536 ? 1 : 2;
        out.push((int < 0 ? 0xd0 : 0xcc) + bytes);
        uint(int, 1 << bytes);
      }
    }

    function extension(type, bytes) {
      var width = [1, 2, 4, 8, 16].indexOf(bytes.length);
      if (width < 0) head(bytes.length, 0, 0, [0xc7, 0xc8, 0xc9]);
      else out.push(0xd4 + width);
      out.push(type);
      append(bytes);
    }

    function object(value) {
      var type = CLASSES.indexOf(value.constructor);
      var keys;
      if (Array.isArray(value)) {
        head(value.length, 0x90, 16, [0, 0xdc, 0xdd]);
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
        head(value.byteLength, 0, 0, [0xc4, 0xc5, 0xc6]);
        append(view(value));
      } else {
        keys = Object.keys(value);
        head(keys.length, 0x80, 16, [0, 0xde, 0xdf]);
        keys.forEach(function (key) {
          text(key);
          any(value[key]);
        });
      }
    }

    function any(value) {
      var type = typeof value;
      if (type === 'bigint') throw new Error('Unsupported type "bigint"');
      if (type === 'number') number(value);
      else if (type === 'string') text(value);
      else if (type === 'object' && value) object(value);
      else out.push(type === 'boolean' ? value ? 0xc3 : 0xc2 : 0xc0);
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
      if (length > bytes.length - at) throw new Error('The message ends within its value');
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
        // Assignment would set the prototype.
        if (key === '__proto__') Object.defineProperty(values, key, { configurable: true, enumerable: true, writable: true });
        values[key] = any();
      }
      return values;
    }

    function extension(length) {
      var type = number('Uint', 1);
      var part = new Uint8Array(take(length));
      var Class = CLASSES[type];
      if (type === BUFFER) return part;
      if (!Class) throw new Error('Unknown extension: ' + type);
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
      if (mark === 0xcf || mark === 0xd3) return number(mark > 0xcf ? 'Int' : 'Uint', 4) * 4294967296 + number('Uint', 4);
      if (mark > 0xcf) return number('Int', 1 << mark - 0xd0);
      if (mark > 0xcb) return uint(0xcc);
      if (mark > 0xc9) return number('Float', mark > 0xca ? 8 : 4);
      if (mark > 0xc6) return extension(uint(0xc7));
      if (mark > 0xc3) return new Uint8Array(take(uint(0xc4)));
      if (mark === 0xc1) throw new Error('No value begins with 0xc1');
      return mark > 0xc0 ? mark > 0xc2 : null;
    }

    result = any();
    if (at < bytes.length) throw new Error('The message goes on after its value');
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
    decoder: callback(function (data) {
      if (typeof data === 'string') throw new Error('MessagePack is bytes, not text');
      return decode(data);
    })
  };
})()
