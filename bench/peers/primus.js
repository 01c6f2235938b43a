'use strict';

// The peer on npm `primus` with its WebSocket transformer.

require('./sparks').serve('websockets');
