// Compiled by the tests, never run.

import Default, { StellarClient, type ChatMessage, type DetailsResponse, type Packet, type StellarError } from './client';

declare const Socket: new (url: string) => any;

const client: StellarClient = new Default(
  { url: 'https://example.org', rooms: ['lobby'], reconnect: { min: 100, retries: 3 }, WebSocket: Socket },
  Socket
);
new StellarClient({ reconnect: false, url: null });
new StellarClient({ transports: ['ws', 'polling'], fallbackTimeout: 2000, upgradeDelay: 60000 });
new StellarClient({ transports: ['socketio', 'socketio-polling'], path: '/socket.io' });
// @ts-expect-error: no such transport
new StellarClient({ transports: ['pigeon'] });
new window.StellarClient();
// @ts-expect-error: true is not a policy
new StellarClient({ reconnect: true });

client.connect((error: StellarError | null, details?: DetailsResponse) => details?.data?.totalActions);
client.connect().then((details) => details.id.length + details.totalActions);

interface Sum { formatted: string }
client.action<Sum>('formattedSum', { a: 3, b: 4 }).then((response) => response.formatted.length);
client.action<Sum>('formattedSum', { a: 3, b: 4 }, (response) => response.error || response.formatted.length);
client.action('status', (response) => response.anything);
client.action('status').then((response) => response.anything);
// @ts-expect-error: the name comes first
client.action({ action: 'status' });

client.say('hello', (error) => error?.message);
client.send({ event: 'say', messageId: 'mine' }, (response, error) => [response?.messageId, error?.message]);
client.send({ event: 'detailsView' }).then((packet) => packet.messageCount);
client.on('disconnected', (why) => [why.code.toFixed(), why.label.length, why.reason.length, !why.reconnect]);
client.emit('ping', (error, packets) => [error?.message, packets.length]);
client.say('hello').then((packet) => packet.status.length);
client.say('room', { text: 'hello' }, (error, packet) => [error?.code, packet?.seq]);
client.roomAdd('room', (error: StellarError | null, packet?: Packet) => error?.packet);
client.join('room').then((details) => details.rooms.join());
client.roomJoin('room');
client.leave('room', () => {});
client.roomLeave('room').then((details) => details.rooms.length);
client.roomView('room', (response, error) => [response?.membersCount, error?.message]);
client.roomView('room').then((response) => Object.values(response.members)[0].joinedAt.toFixed());
client.file('a.txt', (response, error) => [response?.length, error?.message]);
client.file('a.txt').then((response) => response.content?.length);
client.detailsView((error, response) => [error?.message, response?.remotePort]);
client.detailsView().then((response) => response.data?.rooms);
// @ts-expect-error: roomView gives the response first
client.roomView('room', (error: StellarError | null, response: Packet) => [error, response]);

client
  .on('connected', () => {})
  .on('error', (error) => error.message.length)
  .on('transport', (name) => name === 'ws' || name === 'polling')
  .on('say', (packet: ChatMessage) => packet.room.length + packet.sentAt)
  .once('welcome', (packet) => packet.welcome.length)
  .on('my-event', (data, packet) => [data.any, packet.message.event])
  .off('my-event')
  .removeListener('say', () => {})
  .removeAllListeners();
// @ts-expect-error: errors are not packets
client.on('error', (error: ChatMessage) => error.room);

client.emit('moved', { x: 1 }).then((packets) => packets[0].status);
client.to('a', ['b']).for('c').emit('moved', { x: 1 }, (error, packets) => [error, packets.length]);
const listener = (data: { x: number }, packet: ChatMessage) => [data.x, packet.from];
client.from('a').from(['b']).on<{ x: number }>('moved', listener).off('moved', listener);
client.setDefaultRoom('a');
// @ts-expect-error: rooms are names
client.to(1);

client.interceptors.push((params, next, reject) => {
  params.token = 'x';
  next();
  next({ cached: true });
  next((response) => { response.seen = true; });
  next(null, new Error('no'));
  reject(new Error('no'));
});

const state: 'disconnected' | 'connected' | 'reconnecting' | 'timeout' = client.state;
// @ts-expect-error: the client sets its state
client.state = state;
const carrier: 'ws' | 'polling' | 'socketio' | 'socketio-polling' | null = client.transport;
// @ts-expect-error: the client sets its transport
client.transport = carrier;
client.disconnect();
