// An action as one HTTP request. Old browsers have XMLHttpRequest only, Node has fetch only.

function request(client, action) {
  var options = client.options;
  var params = action.params;
  var done = action.done;
  var method = String(params.httpMethod || 'POST').toUpperCase();
  var url = options.url + options.apiPath + '?action=' + encodeURIComponent(params.action);
  var Request = options.XMLHttpRequest || (typeof XMLHttpRequest !== 'undefined' && XMLHttpRequest);
  var timeout = options.callTimeout && options.callTimeout + 5000;
  var timer = timeout && setTimeout(function () {
    finish('no answer within ' + timeout + ' ms', '');
  }, timeout);
  var body, xhr;

  // Whatever the status, a JSON object is the response; anything else becomes an error.
  function finish(statusText, responseText) {
    var response;
    if (!done) return;
    clearTimeout(timer);
    try {
      response = JSON.parse(responseText);
    } catch (error) {
      // Not JSON: reported below.
    }
    if (!response || typeof response !== 'object') {
      response = { error: { statusText: statusText || 'no answer', responseText: responseText } };
    }
    done(response);
    done = null;
  }

  function broken(error) {
    finish(error.message, '');
  }

  try {
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
    if (Request) {
      xhr = new Request();
      xhr.open(method, url, true);
      xhr.setRequestHeader('Content-Type', 'application/json');
      xhr.onreadystatechange = function () {
        if (xhr.readyState === 4) finish(xhr.statusText, xhr.responseText);
      };
      xhr.send(body);
    } else {
      fetch(url, {
        method: method,
        mode: 'cors',
        headers: { 'Content-Type': 'application/json' },
        body: body
      }).then(function (answer) {
        return answer.text().then(function (text) { finish(answer.statusText, text); });
      }).then(null, broken);
    }
  } catch (error) {
    setTimeout(function () { broken(error); }, 0);
  }
}
