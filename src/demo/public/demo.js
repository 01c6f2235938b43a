// The demo page: one client and what it tells about itself. ES5 without dependencies, so that it runs wherever the
// client does. Whatever came over the network reaches the page as text, never as markup.

(function () {
  'use strict';

  var ROOMS = ['defaultRoom', 'lobby', 'random'];
  var CUT_SECONDS = 4;
  var POLL_MS = 3000;
  var MAX_MESSAGES = 200; // per room
  var MAX_EVENTS = 100;
  var TRANSPORTS = {
    ws: 'WebSocket',
    polling: 'HTTP long polling',
    socketio: 'socket.io over WebSocket',
    'socketio-polling': 'socket.io over HTTP long polling'
  };

  function byId(id) {
    return document.getElementById(id);
  }

  function element(tag, attributes, text) {
    var node = document.createElement(tag);
    Object.keys(attributes || {}).forEach(function (name) { node.setAttribute(name, attributes[name]); });
    if (text !== undefined) node.textContent = text;
    return node;
  }

  function empty(node) {
    while (node.firstChild) node.removeChild(node.firstChild);
  }

  function clock(time) {
    return new Date(time).toTimeString().slice(0, 8);
  }

  function now() {
    return typeof performance === 'undefined' ? +new Date() : performance.now();
  }

  if (typeof StellarClient === 'undefined') {
    byId('fatal').textContent = 'The client script of the server, /stellar-client, could not be loaded.';
    byId('fatal').hidden = false;
    return;
  }

  // The network: the real WebSocket and the real requests of long polling with a switch. Cut off, whatever is open
  // breaks at once without a word from the other side, and whatever is new fails. Actions over HTTP go on.

  var links = []; // sockets and polls
  var isCut = false;

  function forget(thing) {
    if (links.indexOf(thing) >= 0) links.splice(links.indexOf(thing), 1);
  }

  function failSoon(thing) {
    setTimeout(function () { thing.fail(); }, 0);
  }

  function Socket(url) {
    var self = this;
    links.push(this);
    if (isCut) return failSoon(this);
    this.real = new WebSocket(url);
    ['onopen', 'onmessage', 'onerror', 'onclose'].forEach(function (name) {
      self.real[name] = function (event) {
        if (name === 'onclose') forget(self);
        if (self[name]) self[name](event);
      };
    });
  }

  Socket.prototype.send = function (text) {
    if (this.real) this.real.send(text);
  };

  Socket.prototype.close = function () {
    if (this.real) this.real.close();
  };

  Socket.prototype.fail = function () {
    var real = this.real;
    forget(this);
    if (real) {
      real.onopen = real.onmessage = real.onerror = real.onclose = null;
      real.close();
    }
    if (this.onerror) this.onerror({ type: 'error', message: 'the network is cut' });
    if (this.onclose) this.onclose({ type: 'close', code: 1006, reason: '' });
  };

  function Request() {
    var self = this;
    var real = this.real = new XMLHttpRequest();
    real.onreadystatechange = function () {
      if (real.readyState === 4) self.end(real.status, real.statusText, real.responseText);
    };
  }

  Request.prototype.open = function (method, url, isAsync) {
    this.isPoll = url.indexOf('transport=polling') >= 0;
    this.real.open(method, url, isAsync);
  };

  Request.prototype.setRequestHeader = function (name, value) {
    this.real.setRequestHeader(name, value);
  };

  Request.prototype.send = function (body) {
    if (this.isPoll) links.push(this);
    if (this.isPoll && isCut) failSoon(this);
    else this.real.send(body);
  };

  Request.prototype.abort = function () {
    this.real.abort();
  };

  Request.prototype.end = function (status, statusText, responseText) {
    forget(this);
    this.readyState = 4;
    this.status = status;
    this.statusText = statusText;
    this.responseText = responseText;
    if (this.onreadystatechange) this.onreadystatechange();
  };

  Request.prototype.fail = function () {
    this.real.onreadystatechange = null;
    this.real.abort();
    this.end(0, '', '');
  };

  function cut(seconds) {
    var button = byId('cut');
    isCut = seconds > 0;
    button.setAttribute('data-cut', isCut ? 'yes' : 'no');
    button.setAttribute('aria-disabled', String(isCut));
    button.textContent = isCut ? 'Cut, back in ' + seconds + ' s' : 'Cut my network';
    if (!isCut) return;
    links.slice().forEach(function (thing) { thing.fail(); });
    setTimeout(function () { cut(seconds - 1); }, 1000);
  }

  // The connection.

  var client = window.client = new StellarClient({
    WebSocket: typeof WebSocket === 'undefined' ? undefined : Socket,
    XMLHttpRequest: Request,
    rooms: [ROOMS[0]],
    // Whoever cuts the network here wants to see it come back soon; the default goes up to 30 s.
    reconnect: { max: 2000 }
  });

  function showState(state) {
    var isConnected = state === 'connected';
    byId('state').setAttribute('data-state', state);
    byId('state-text').textContent = state;
    byId('transport').textContent = client.transport || '–';
    byId('transport').title = client.transport ? TRANSPORTS[client.transport] : '';
    byId('connection-id').textContent = isConnected ? String(client.id).slice(0, 8) : '–';
    byId('connection-id').title = isConnected ? client.id : '';
    byId('link').textContent = state === 'disconnected' ? 'Connect' : 'Disconnect';
    if (!isConnected) byId('rtt').textContent = '–';
    showRooms();
    refresh();
  }

  function connect() {
    showState('connecting');
    client.connect(function () {}); // a failure is raised as `error` too
  }

  function measure() {
    var start = now();
    client.detailsView(function (error) {
      if (!error) byId('rtt').textContent = (now() - start).toFixed(1) + ' ms';
    });
  }

  client.on('connected', function () {
    own[client.id] = true;
    showState('connected');
    measure();
    client.rooms.forEach(greet);
  });

  ['disconnected', 'reconnecting'].forEach(function (event) {
    client.on(event, function () { showState(event); });
  });

  // Also without a new connection: what began with long polling may move to WebSocket.
  client.on('transport', function () { showState(client.state); });

  byId('cut').onclick = function () {
    if (!isCut) cut(CUT_SECONDS);
  };

  byId('link').onclick = function () {
    if (byId('state').getAttribute('data-state') === 'disconnected') connect();
    else client.disconnect();
  };

  setInterval(function () {
    if (client.state !== 'connected' || document.hidden) return;
    measure();
    refresh();
  }, POLL_MS);

  // Rooms.

  var own = Object.create(null); // all ids that this page has had
  var names = Object.create(null); // id -> name, as far as told
  var rooms = Object.create(null);
  var current = ROOMS[0];
  var isAsking = false;
  var asksAgain = false;

  ROOMS.forEach(function (name) {
    var item = element('li', { 'data-room': name });
    var pick = element('button', { type: 'button', 'class': 'pick' });
    var unread = element('span', { 'class': 'count unread' });
    var toggle = element('button', { type: 'button', 'class': 'toggle' });
    pick.appendChild(element('span', null, name));
    pick.appendChild(unread);
    pick.onclick = function () { enter(name); };
    toggle.onclick = function () { (isIn(name) ? leave : join)(name); };
    item.appendChild(pick);
    item.appendChild(toggle);
    byId('rooms').appendChild(item);
    rooms[name] = { item: item, pick: pick, badge: unread, toggle: toggle, entries: [], unread: 0 };
  });

  function isIn(room) {
    return client.rooms.indexOf(room) >= 0;
  }

  function label(id) {
    if (!id) return 'server';
    return names[id] || 'guest ' + String(id).slice(0, 4);
  }

  function learn(id, name) {
    if (id && typeof name === 'string' && name.trim()) names[id] = name.trim().slice(0, 24);
  }

  function myName() {
    return byId('name').value.trim();
  }

  function showRooms() {
    var isOpen = isIn(current) && client.state === 'connected';
    ROOMS.forEach(function (name) {
      var room = rooms[name];
      var isJoined = isIn(name);
      room.item.setAttribute('data-joined', String(isJoined));
      room.item.setAttribute('data-current', String(name === current));
      room.pick.setAttribute('aria-pressed', String(name === current));
      room.badge.textContent = room.unread || '';
      room.badge.setAttribute('aria-label', room.unread ? room.unread + ' unread' : '');
      room.toggle.textContent = isJoined ? 'Leave' : 'Join';
      room.toggle.setAttribute('aria-label', room.toggle.textContent + ' ' + name);
    });
    byId('text').disabled = byId('say').querySelector('button').disabled = !isOpen;
    byId('text').placeholder = isOpen ? 'Say something in ' + current
      : isIn(current) ? 'Waiting for the connection' : 'Join ' + current + ' to talk here';
  }

  function enter(name) {
    current = name;
    rooms[name].unread = 0;
    byId('chat-error').textContent = '';
    showRooms();
    showMessages();
    showMembers([]);
    refresh();
  }

  function complain(error) {
    byId('chat-error').textContent = error ? error.message : '';
  }

  function join(room) {
    client.roomAdd(room, function (error) {
      enter(room);
      complain(error);
      if (!error) greet(room);
    });
  }

  function leave(room) {
    client.to(room).emit('bye', { name: myName() }, function () {
      client.roomLeave(room, function (error) {
        complain(error);
        if (!error) note(room, 'You left');
        showRooms();
        refresh();
      });
    });
  }

  function greet(room) {
    client.to(room).emit('hello', { name: myName() }, function (error) {
      if (error) complain(error);
    });
  }

  client.on('hello', function (data, packet) {
    learn(packet.from, data && data.name);
    note(packet.room, own[packet.from] ? 'You joined' : label(packet.from) + ' joined');
    if (packet.room === current) refresh();
  });

  client.on('bye', function (data, packet) {
    if (!own[packet.from]) note(packet.room, label(packet.from) + ' left');
    if (packet.room === current) refresh();
  });

  client.on('say', function (packet) {
    var message = packet.message;
    var isObject = message && typeof message === 'object';
    if (isObject && typeof message.event === 'string') {
      if (message.event !== 'hello' && message.event !== 'bye') note(packet.room, 'event ' + JSON.stringify(message));
      return;
    }
    if (isObject) learn(packet.from, message.name);
    add(packet.room, {
      who: own[packet.from] ? 'You' : label(packet.from),
      isOwn: !!own[packet.from],
      text: typeof message === 'string' ? message
        : isObject && typeof message.text === 'string' ? message.text : JSON.stringify(message),
      at: packet.sentAt
    });
    if (packet.room === current) refresh();
  });

  function note(room, text) {
    add(room, { note: text, at: +new Date() });
  }

  function add(name, entry) {
    var room = rooms[name];
    var list = byId('messages');
    var wasAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    if (!room) return;
    room.entries.push(entry);
    if (room.entries.length > MAX_MESSAGES) room.entries.shift();
    if (name !== current) {
      if (!entry.note) room.unread++;
      showRooms();
      return;
    }
    if (room.entries.length === 1) empty(list);
    list.appendChild(line(entry));
    while (list.childNodes.length > MAX_MESSAGES) list.removeChild(list.firstChild);
    if (wasAtEnd || entry.isOwn) list.scrollTop = list.scrollHeight;
  }

  function line(entry) {
    var item, who;
    if (entry.note) return element('li', { 'class': 'note' }, entry.note + ' · ' + clock(entry.at));
    item = element('li', { 'class': 'message', 'data-own': String(entry.isOwn) });
    who = element('div', { 'class': 'who' });
    who.appendChild(element('b', null, entry.who));
    who.appendChild(element('time', { datetime: new Date(entry.at).toISOString() }, clock(entry.at)));
    item.appendChild(who);
    item.appendChild(element('div', { 'class': 'said' }, entry.text));
    return item;
  }

  function showMessages() {
    var list = byId('messages');
    var entries = rooms[current].entries;
    empty(list);
    entries.forEach(function (entry) { list.appendChild(line(entry)); });
    if (!entries.length) list.appendChild(element('li', { 'class': 'note empty' }, 'Nothing was said here yet'));
    list.scrollTop = list.scrollHeight;
  }

  // Who is in the room. Asked for whenever something hints at a change; one question at a time.
  function refresh() {
    var room = current;
    if (client.state !== 'connected' || !isIn(room)) return showMembers([]);
    if (isAsking) {
      asksAgain = true;
      return;
    }
    isAsking = true;
    client.roomView(room, function (response, error) {
      var members = error ? {} : response.data.members;
      isAsking = false;
      if (asksAgain || room !== current) {
        asksAgain = false;
        return refresh();
      }
      showMembers(Object.keys(members).map(function (id) { return members[id]; }));
    });
  }

  function showMembers(members) {
    var list = byId('members');
    empty(list);
    byId('count').textContent = members.length;
    members.sort(function (a, b) { return a.joinedAt - b.joinedAt; }).forEach(function (member) {
      var isOwn = member.id === client.id;
      var text = isOwn ? (myName() || label(member.id)) + ' (you)' : label(member.id);
      list.appendChild(element('li', { 'data-id': member.id, 'data-own': String(isOwn), title: member.id }, text));
    });
  }

  byId('say').onsubmit = function (event) {
    var field = byId('text');
    var text = field.value;
    event.preventDefault();
    if (!text.trim()) return;
    field.value = '';
    client.say(current, myName() ? { name: myName(), text: text } : text, function (error) {
      complain(error);
      if (error && !field.value) field.value = text;
    });
  };

  // Actions.

  var calls = 0;

  function params(form) {
    var result = {};
    [].forEach.call(form.querySelectorAll('[name]'), function (field) {
      var isNumber = field.hasAttribute('data-number') && field.value.trim() && !isNaN(field.value);
      if (field.value !== '') result[field.name] = isNumber ? Number(field.value) : field.value;
    });
    return result;
  }

  // An `Error` has nothing that JSON would show.
  function readable(key, value) {
    return value instanceof Error ? { message: value.message } : value;
  }

  function run(name, values) {
    var call = ++calls;
    var panel = byId('call');
    var start = now();
    var request = { action: name };
    Object.keys(values).forEach(function (key) { request[key] = values[key]; });
    byId('request').textContent = JSON.stringify(request, null, 2);
    byId('response').textContent = 'waiting…';
    byId('via').textContent = byId('took').textContent = '';
    panel.setAttribute('data-action', name);
    panel.setAttribute('data-via', '');
    panel.setAttribute('data-state', 'waiting');

    client.action(name, values, function (response) {
      // Answers over the connection say that they are responses, those over HTTP do not.
      var via = response.context === 'response' ? 'socket' : response.error instanceof Error ? '' : 'http';
      if (call !== calls) return;
      panel.setAttribute('data-via', via);
      panel.setAttribute('data-state', response.error ? 'failed' : 'ok');
      byId('via').textContent = { socket: 'over the connection', http: 'over HTTP', '': '' }[via];
      byId('took').textContent = (now() - start).toFixed(1) + ' ms';
      byId('response').textContent = JSON.stringify(response, readable, 2);
    });
  }

  [].forEach.call(document.querySelectorAll('form[data-action]'), function (form) {
    form.onsubmit = function (event) {
      event.preventDefault();
      run(form.getAttribute('data-action'), params(form));
    };
  });

  // Files.

  function fetchFile(path) {
    var view = byId('file-view');
    client.file(path, function (response, error) {
      var isImage = !error && response.encoding === 'base64' && /^image\/(png|jpeg|gif|webp)$/.test(response.mime);
      empty(view);
      view.setAttribute('data-file', path);
      byId('file-info').textContent = error ? path + ': ' + error.message
        : response.mime + ', ' + response.length + ' bytes';
      if (error) return;
      if (isImage) {
        view.appendChild(element('img', { alt: path, src: 'data:' + response.mime + ';base64,' + response.content }));
      } else {
        view.appendChild(element('pre', { tabindex: '0', 'aria-label': path }, response.content));
      }
    });
  }

  byId('file').onsubmit = function (event) {
    event.preventDefault();
    fetchFile(byId('path').value);
  };

  [].forEach.call(document.querySelectorAll('[data-path]'), function (button) {
    button.onclick = function () {
      byId('path').value = button.getAttribute('data-path');
      fetchFile(byId('path').value);
    };
  });

  // Events.

  var DETAILS = {
    transport: function (name) { return name + ', ' + TRANSPORTS[name]; },
    connected: function () { return 'as ' + client.id + ', in ' + (client.rooms.join(', ') || 'no room'); },
    welcome: function (packet) { return packet.welcome; },
    error: function (error) { return (error.code ? error.code + ' ' : '') + error.message; },
    say: function (packet) { return packet.room + ': ' + JSON.stringify(packet.message); },
    alert: JSON.stringify,
    api: JSON.stringify
  };

  [
    'connected', 'transport', 'disconnected', 'reconnecting', 'reconnect', 'welcome', 'say', 'alert', 'api', 'error'
  ].forEach(function (name) {
    client.on(name, function (argument) {
      var list = byId('log');
      var item = element('li', { 'data-event': name });
      item.appendChild(element('time', null, clock(+new Date())));
      item.appendChild(element('b', null, name));
      item.appendChild(element('span', null, DETAILS[name] ? String(DETAILS[name](argument)).slice(0, 200) : ''));
      list.insertBefore(item, list.firstChild);
      while (list.childNodes.length > MAX_EVENTS) list.removeChild(list.lastChild);
    });
  });

  byId('clear').onclick = function () { empty(byId('log')); };

  showMessages();
  connect();
})();
