// An action as one HTTP request. Old browsers have XMLHttpRequest only, Node has fetch only.

function httpRequest(options) {
  return options.XMLHttpRequest || (typeof XMLHttpRequest !== 'undefined' && XMLHttpRequest);
}

// One request with XMLHttpRequest; `done` gets it when it has ended, however it did. Without `done` it has ended when
// this returns.
function exchange(options, method, url, type, body, done) {
  var Request = httpRequest(options);
  var xhr = new Request();
  xhr.open(method, url, !!done);
  xhr.setRequestHeader('Content-Type', type);
  xhr.onreadystatechange = function () {
    if (done && xhr.readyState === 4) done(xhr);
  };
  xhr.send(body);
  return xhr;
}

// The object or array that a text stands for, null if it does not.
function parsed(text) {
  try {
    text = JSON.parse(text);
    return text && typeof text === 'object' ? text : null;
  } catch (error) {
    return null;
  }
}

function request(client, action) {
  var options = client.options;
  var params = action.params;
  var done = action.done;
  var method = String(params.httpMethod || 'POST').toUpperCase();
  var url = options.apiPath + '?action=' + encodeURIComponent(params.action);
  var timeout = options.callTimeout && options.callTimeout + 5000;
  var timer = timeout && later(function () {
    finish('no answer within ' + timeout + ' ms', '');
  }, timeout);
  var type = 'application/json';
  var body;

  // Whatever the status, a JSON object is the response; anything else becomes an error.
  function finish(statusText, responseText) {
    if (!done) return;
    clearTimeout(timer);
    done(parsed(responseText) || { error: { statusText: statusText || 'no answer', responseText: responseText } });
    done = null;
  }

  function broken(error) {
    finish(error.message, '');
  }

  try {
    url = base(options) + url;
    if (method === 'GET' || method === 'HEAD') {
      Object.keys(params).forEach(function (key) {
        var value = params[key];
        if (key === 'action' || key === 'httpMethod' || value === undefined) return;
        if (typeof value === 'object') value = JSON.stringify(value);
        url += '&' + encodeURIComponent(key) + '=' + encodeURIComponent(value);
      });
    } else {
      body = JSON.stringify(params);
    }
    if (httpRequest(options)) {
      exchange(options, method, url, type, body, function (xhr) { finish(xhr.statusText, xhr.responseText); });
    } else {
      fetch(url, {
        method: method,
        mode: 'cors',
        headers: { 'Content-Type': type },
        body: body
      }).then(function (answer) {
        return answer.text().then(function (text) { finish(answer.statusText, text); });
      }).then(null, broken);
    }
  } catch (error) {
    setTimeout(function () { broken(error); }, 0);
  }
}
