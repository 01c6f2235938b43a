// One HTTP request. Pages of any age have XMLHttpRequest, Node has `fetch`; `options.XMLHttpRequest` may name another.

function httpRequest(client) {
  return client.options.XMLHttpRequest || (typeof XMLHttpRequest !== 'undefined' && XMLHttpRequest);
}

function canRequest(client) {
  return httpRequest(client) || typeof fetch === 'function';
}

// `done(status, text)` comes later and once, with status 0 if there was no answer. Returns the function that aborts:
// then it does not come at all. Without `done` the request has ended when this returns.
function exchange(client, method, url, body, done) {
  var Request = httpRequest(client);
  var withCredentials = client.transport.withCredentials;
  var xhr, abortion;

  function finish(status, text) {
    var fn = done;
    done = null;
    if (fn) fn(status, text);
  }

  if (Request) {
    xhr = new Request();
    xhr.open(method, url, !!done);
    if (withCredentials) xhr.withCredentials = true;
    if (body) xhr.setRequestHeader('Content-Type', 'text/plain;charset=UTF-8');
    xhr.onreadystatechange = function () {
      if (xhr.readyState === 4) finish(xhr.status, xhr.responseText);
    };
    xhr.send(body);
  } else {
    abortion = new AbortController();
    fetch(url, {
      method: method,
      body: body,
      credentials: withCredentials ? 'include' : 'same-origin',
      signal: abortion.signal
    }).then(function (answer) {
      return answer.text().then(function (text) { finish(answer.status, text); });
    }).then(null, function (error) { finish(0, error.message); });
  }

  return function () {
    done = null;
    (xhr || abortion).abort();
  };
}
