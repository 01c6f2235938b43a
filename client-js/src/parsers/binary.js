(function () {
  // BinaryPack, as the npm module `binary-pack` has it.
  function refuse() {
    throw new Error('Not BinaryPack');
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

    // Lengths below 16 are in the mark. For others `two` is the mark with two bytes after it, the next one has four.
    function head(length, mark, two) {
      if (length < 16) return out.push(mark | length);
      out.push(length < 65536 ? two : two + 1);
      uint(length, length < 65536 ? 2 : 4);
    }

    function append(bytes) {
      for (var i = 0; i < bytes.length; i++) out.push(bytes[i]);
    }

    function text(value) {
      // Half a character has no place in UTF-8.
      var whole = value.replace(/[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]/g, function (found) {
        return found[1] ? found : '\ufffd';
      });
      var bytes = unescape(encodeURIComponent(whole));
      head(bytes.length, 0xb0, 0xd8);
      for (var i = 0; i < bytes.length; i++) out.push(bytes.charCodeAt(i));
    }

    function number(value) {
      var size = value < 0 ? -1 - value : value;
      // With a sign, half as many fit.
      var room = value < 0 ? 128 : 256;
      var width = size < room ? 0 : size < room * 256 ? 1 : size < room * 16777216 ? 2 : 3;
      var float;
      if (Math.floor(value) !== value || size >= 9223372036854775808) {
        float = new DataView(new ArrayBuffer(8));
        float.setFloat64(0, value);
        out.push(0xcb);
        append(view(float));
      } else if (value >= -32 && value < 128) {
        uint(value, 1);
      } else if (width < 3) {
        out.push((value < 0 ? 0xd0 : 0xcc) + width);
        uint(value, 1 << width);
      } else {
        out.push(0xd3);
        uint(Math.floor(value / 4294967296), 4);
        uint(value, 4);
      }
    }

    function object(value) {
      var keys;
      if (Array.isArray(value)) {
        head(value.length, 0x90, 0xdc);
        // Not `forEach`, which leaves out holes.
        for (var i = 0; i < value.length; i++) any(value[i]);
      } else if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
        head(value.byteLength, 0xa0, 0xda);
        append(view(value));
      } else if (value instanceof Date) {
        text(value.toString());
      } else if (!value.constructor || value.constructor === Object) {
        keys = Object.keys(value);
        head(keys.length, 0x80, 0xde);
        keys.forEach(function (key) {
          text(key);
          any(value[key]);
        });
      } else if (typeof value.toBinaryPack === 'function') {
        append(view(value.toBinaryPack()));
      } else {
        throw new Error('Type "' + value.constructor + '" not yet supported');
      }
    }

    function any(value) {
      var type = typeof value;
      if (type === 'number') number(value);
      else if (type === 'string') text(value);
      else if (type === 'boolean') out.push(value ? 0xc3 : 0xc2);
      else if (value === undefined || value === null) out.push(0xc0);
      else if (type === 'object') object(value);
      else throw new Error('Type "' + type + '" not yet supported');
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

    function raw(length) {
      return new Uint8Array(take(length)).buffer;
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

    function any() {
      var mark = number('Uint', 1);
      if (mark < 0x80) return mark;
      if (mark > 0xdf) return mark - 256;
      if (mark < 0xc0) return [object, array, raw, text][mark - 0x80 >> 4](mark & 15);
      // Text, bytes, arrays and objects, each with a length of two or four bytes.
      if (mark > 0xd7) return [text, raw, array, object][mark - 0xd8 >> 1](number('Uint', mark & 1 ? 4 : 2));
      if (mark === 0xd3) return number('Int', 4) * 4294967296 + number('Uint', 4);
      if (mark === 0xcf) return number('Uint', 4) * 4294967296 + number('Uint', 4);
      if (mark === 0xc1 || mark > 0xd3) return undefined;
      if (mark > 0xcf) return number('Int', 1 << mark - 0xd0);
      if (mark > 0xcb) return number('Uint', 1 << mark - 0xcc);
      if (mark > 0xc9) return number('Float', mark > 0xca ? 8 : 4);
      if (mark > 0xc3) refuse();
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
    name: 'binary',
    binary: true,
    encoder: callback(encode),
    decoder: callback(decode)
  };
})()
