// Timers and times, the same for both clients.

// What a browser's timer can hold; a longer one would fire at once.
var LONGEST_TIMER = 2147483647;

function later(fn, time) {
  return setTimeout(fn, Math.min(time, LONGEST_TIMER));
}

// What is no number, or below 0, is not taken: it would fire at once as well.
function measure(number, otherwise) {
  return number >= 0 ? +number : otherwise;
}
