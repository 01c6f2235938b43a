'use strict';

// The peer on npm `primus` with its engine.io transformer, which turns the
// compression of engine.io off.

require('./sparks').serve('engine.io');
