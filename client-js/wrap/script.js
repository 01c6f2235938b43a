(function (root, Client) {
  if (typeof module === 'object' && module.exports) {
    module.exports = Client;
    Client.StellarClient = Client;
  } else if (typeof define === 'function' && define.amd) {
    define([], function () { return Client; });
  } else {
    root["%GLOBAL%"] = Client;
  }
})(typeof self !== 'undefined' ? self : typeof globalThis !== 'undefined' ? globalThis : this, "%CLIENT%");
