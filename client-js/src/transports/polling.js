// One JSON value per engine.io message.

var OVER_POLLING = 'polling';

transports.polling = { supported: httpRequest, open: engineio };
