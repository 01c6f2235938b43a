// Where the transports connect to.

function base(options) {
  if (!options.url) throw new Error(NO_HOST);
  return options.url;
}

// `door` stands between path and query. A readable session cookie goes along, so that HTTP and socket
// share one identity across origins.
function address(options, door) {
  var query = door + '_primuscb=' + (+new Date()).toString(36);
  var prefix = options.cookieKey + '=';
  try {
    document.cookie.split('; ').forEach(function (cookie) {
      if (!cookie.indexOf(prefix)) query += '&sessionID=' + encodeURIComponent(cookie.slice(prefix.length));
    });
  } catch (error) {
    // No document outside pages, and no cookies in sandboxed ones.
  }
  return base(options) + options.path + query;
}
