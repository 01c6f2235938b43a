// Bytes in the text of long polling.

// Of an ArrayBuffer, or of the part of one that a view shows.
function toBase64(data) {
  var bytes = data.buffer ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
  var text = '';
  var index;
  for (index = 0; index < bytes.length; index++) text += String.fromCharCode(bytes[index]);
  return btoa(text);
}

function fromBase64(text) {
  var binary = atob(text);
  var bytes = new Uint8Array(binary.length);
  var index;
  for (index = 0; index < binary.length; index++) bytes[index] = binary.charCodeAt(index);
  return bytes.buffer;
}
