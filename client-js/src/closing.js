// Why a connection has ended, by the names of the server's own table.

var LABELS = {
  1000: 'ended',
  1001: 'going_away',
  1002: 'protocol_error',
  1003: 'unsupported_data',
  1006: 'peer_gone',
  1007: 'invalid_text',
  1009: 'message_too_big',
  1011: 'internal',
  1013: 'overloaded',
  4000: 'reconnect',
  4001: 'slow_consumer',
  4002: 'write_timeout',
  4003: 'heartbeat_missed',
  4004: 'receive_timeout',
  4005: 'connect_timeout',
  4007: 'too_many_requests'
};

// `info` is what the transport's close says. Long polling tells no codes: 1005 stands for a close, 1006 for a loss.
function closing(info, reconnect) {
  var code = info.code || (info.error ? 1006 : 1005);
  var reason = info.reason || (info.error ? info.error.message : '');
  return {
    code: code,
    // What comes too many at once is named by the reason alone.
    label: info.label || (code === 1008 ? reason.replace(/ /g, '_') : LABELS[code]) || 'peer_closed',
    reason: reason,
    reconnect: !!reconnect
  };
}
