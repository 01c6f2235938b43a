(function (root, Primus) {
  if (typeof module === 'object' && module.exports) {
    module.exports = Primus;
    Primus.Primus = Primus;
  } else if (typeof define === 'function' && define.amd) {
    define([], function () { return Primus; });
  } else {
    root["%GLOBAL%"] = Primus;
  }
})(typeof self !== 'undefined' ? self : typeof globalThis !== 'undefined' ? globalThis : this, "%CLIENT%");
