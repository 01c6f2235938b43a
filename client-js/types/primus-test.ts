// Compiled by the tests, never run.

import Default, { Primus, type CloseInfo, type ReconnectState } from './primus';

const client: Primus = new Default('https://example.org', {
  reconnect: { min: 100, max: '1 minute', retries: 3, 'reconnect timeout': '10 seconds' },
  strategy: ['online', 'disconnect'],
  pingTimeout: false,
  queueSize: 10,
});
new Primus({ url: 'https://example.org', manual: true, strategy: 'online, timeout' });
Primus.connect('https://example.org', { strategy: false, network: false }).end('bye').open();
new window.Primus({ transport: { headers: { cookie: 'a=b' }, withCredentials: true } });
// @ts-expect-error: true is no strategy
new Primus({ strategy: true });
// @ts-expect-error: a list has known names only
new Primus({ strategy: ['always'] });
// @ts-expect-error: not a duration
new Primus({ timeout: {} });

client.on('data', (data, raw) => [data.anything, raw]);
client.on('close', (info?: CloseInfo) => info?.code);
client.on('reconnect scheduled', (options: ReconnectState, error?: Error) => [options.scheduled.toFixed(), error?.message]);
client.once('gave up', (error, options) => [error.message, options.attempt]);
client.on('outgoing::url', (parts) => { parts.query = 'token=1'; });
client.on('an event of a plugin', (a: number, b: string) => [a, b]);
client.on('readyStateChange', (state) => state === 'opening');
// @ts-expect-error: no such state
client.on('readyStateChange', (state) => state === 'closing');

client.transform('incoming', function (packet) { return this.write(packet.data) && packet.data !== 'drop'; });
client.transform('outgoing', (packet, next) => next(null, packet.data ? undefined : false));
// @ts-expect-error: there are two directions
client.transform('sideways', () => {});

const written: boolean = client.write({ any: 'thing' });
const destroyed: boolean = client.destroy();
client.id((id) => id.length);
const state: 1 | 2 | 3 = client.readyState;
const isOpen = state === Primus.OPEN && written && destroyed;
const delay: number | undefined = client.recovery.attempt?.scheduled;
client.emits('news', (next, value: number) => next(null, isOpen && value + (delay ?? 0)))(1);
client.uri({ protocol: 'ws:', query: true }).length;
client.uri({ protocol: 'ws:', query: true, object: true }).port;
client.plugin('emit')?.call(client, client, client.options);
Object.keys(client.plugin());
class Channel extends Primus.EventEmitter {}
new Channel().on('anything', (...args) => args.length);
