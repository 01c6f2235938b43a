(function () {
  // Bytes and text as they are, as the server's parser `Raw` has them.
  return {
    name: 'custom',
    binary: true,
    encoder: function (data, fn) {
      if (typeof data === 'string' || data instanceof ArrayBuffer || ArrayBuffer.isView(data)) fn(null, data);
      else fn(new Error('Only bytes and text can be sent'));
    },
    decoder: function (data, fn) {
      fn(null, data);
    }
  };
})()
