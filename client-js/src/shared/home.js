// The server that a script is from, the same for both clients.

var NO_HOST = 'This page has no host: give the client the `url` of the server';

// Told only while the script runs for the first time.
var ownScript = typeof document === 'object' && document && document.currentScript;

// `https://host:port` of the page. Pages of `blob:`, `srcdoc`, `data:` and `file:` have none: there it is that of the
// script, or of the page that made this one. '' if there is none, null outside of pages.
function home() {
  var places;
  if (typeof location !== 'object' || !location) return null;
  places = [location.protocol + '//' + location.host, ownScript && ownScript.src, location.origin];
  if (typeof document === 'object' && document) places.push(document.baseURI);
  return places.map(function (place) {
    return (/^https?:\/\/[^\/?#]+/i.exec(place) || [''])[0];
  }).filter(Boolean)[0] || '';
}
