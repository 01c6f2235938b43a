// Named timers, and durations in words.

var UNITS = { s: 1000, m: 60000, h: 3600000, d: 86400000, w: 604800000, y: 31557600000 };

// Each unit by its letter, its short word or its long one; `ms` before what begins with the same letter.
var DURATION = new RegExp('^\\s*(-?[\\d.]+)\\s*(?:(m(?:illi)?s(?:ec(?:ond)?)?|s(?:ec(?:ond)?)?|m(?:in(?:ute)?)?|' +
  'h(?:(?:ou)?r)?|d(?:ay)?|w(?:(?:ee)?k)?|y(?:(?:ea)?r)?)s?)?\\s*$', 'i');

// `30 seconds`, `1.5h` or a number, in ms; `otherwise` for what is none of these, or below 0.
function duration(value, otherwise) {
  var match = typeof value === 'string' && DURATION.exec(value);
  var unit = match && (match[2] || 'ms').toLowerCase();
  return measure(match ? match[1] * (/^m(illi)?s/.test(unit) ? 1 : UNITS[unit.charAt(0)]) : value, otherwise);
}

// `context` is the `this` of what the timers call.
function Timers(context) {
  this._context = context;
  this._ids = {};
}

// A timer of the same name makes place.
Timers.prototype.setTimeout = function (name, fn, time) {
  var self = this;
  self.clear(name);
  self._ids[name] = later(function () {
    delete self._ids[name];
    fn.call(self._context);
  }, duration(time, 0));
  return self;
};

Timers.prototype.active = function (name) {
  return name in this._ids;
};

// The named ones, or all.
Timers.prototype.clear = Timers.prototype.end = function () {
  var ids = this._ids;
  (arguments.length ? slice.call(arguments) : Object.keys(ids)).forEach(function (name) {
    clearTimeout(ids[name]);
    delete ids[name];
  });
  return this;
};
