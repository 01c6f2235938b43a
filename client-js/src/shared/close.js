// What the code of a close says, the same for both clients.

// Codes from here up to 4999 say that coming back is no use.
var FINAL_CODE = 4500;

// The message that says the same may be lost, the code of the socket is not.
function isFinal(info) {
  return !!info && (info.code === 1000 ? !!info.reason : info.code >= FINAL_CODE && info.code < 5000);
}
