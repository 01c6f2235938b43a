// Declarations of the generated Stellar client, written by hand.

/** Any packet of the server. Unknown keys are passed through. */
export interface Packet {
  context?: string;
  messageCount?: number;
  [key: string]: any;
}

/** Answer to a verb. */
export interface VerbResponse<T = unknown> extends Packet {
  status: string;
  context: 'response';
  messageCount: number;
  data?: T;
}

export interface Details {
  id: string;
  fingerprint: string | null;
  remoteIP: string;
  remotePort: number;
  params: Record<string, unknown>;
  connectedAt: number;
  rooms: string[];
  totalActions: number;
  pendingActions: number;
  /** How many rooms there are, if these are not all. */
  roomsCount?: number;
  /** The `after` of the request for the rest. */
  next?: number;
}

/** The packet, with the fields of `data` on its top level too. */
export type DetailsResponse = VerbResponse<Details> & Details;

export interface RoomStatus {
  room: string;
  membersCount: number;
  members: Record<string, { id: string; joinedAt: number }>;
  /** The `after` of the request for the rest, if these are not all. */
  next?: string;
}

/** The packet, with the fields of `data` on its top level too. */
export type RoomResponse = VerbResponse<RoomStatus> & RoomStatus;

export interface FileResponse extends Packet {
  error: null | string | { code: string; message: string };
  content: string | null;
  mime: string;
  /** Size of the file in bytes. */
  length: number;
  lastModified?: string;
  /** Present if `content` is not plain text. */
  encoding?: 'base64';
}

/** A message to a room. Everything said in any joined room arrives, the client's own words too. */
export interface ChatMessage<T = any> extends Packet {
  context: 'user';
  message: T;
  room: string;
  /** Connection id of the speaker, 0 if the server speaks. */
  from: string | 0;
  sentAt: number;
  /** Position in the room's stream, if the server numbers it. */
  seq?: number;
  /** Names the stream that `seq` counts in; another one means that the count began anew. */
  epoch?: string | number;
}

export interface WelcomePacket extends Packet {
  context: 'api';
  welcome: string;
}

/** What failed calls give: `packet` is the server's answer, absent if there was none. */
export interface StellarError extends Error {
  code?: string;
  packet?: Packet;
}

/** An action's response over the socket or HTTP. `error` decides whether it failed. */
export type ActionResponse<T = Record<string, any>> = T & { error?: any };

export interface ReconnectPolicy {
  /** Longest first delay in ms. Default 500. Delays are random between 0 and the current longest one; with 0 only the first is none. */
  min?: number;
  /** Longest delay of all in ms; 0: no limit. Default 30000. */
  max?: number;
  /** Growth of the longest delay per failed attempt, at least 1. Default 2. */
  factor?: number;
  /** Attempts before giving up. Default Infinity. */
  retries?: number;
  /** Time for one attempt to connect in ms; 0: no limit. Default 30000. */
  timeout?: number;
}

export interface WebSocketLike {
  onopen: any;
  onmessage: any;
  onerror: any;
  onclose: any;
  send(text: string): void;
  close(): void;
}

export type WebSocketConstructor = new (url: string) => WebSocketLike;

/**
 * Everything that the server put into the script can be overridden. Times are in ms, at most the 24.8 days that a
 * browser's timer can hold. What is no number, or below 0, does not count: the default does.
 */
export interface Options {
  /**
   * `http:` or `https:` address of the server. Default: the page's origin; where the page has no host, that of the
   * script or of the page that made this one; in Node `http://127.0.0.1:8080`.
   */
  url?: string | null;
  /** Path of actions over HTTP. Default `/api`. */
  apiPath?: string;
  /** Path of the socket and of long polling. Default `/primus`, in a script for socket.io `/socket.io`. */
  path?: string;
  /**
   * Names of transports of this script, the preferred one first. One that is missing in this browser, refused
   * or silent is followed by the next. What worked is tried first from then on, for the life of the page.
   * Names of other scripts are passed over.
   */
  transports?: TransportName[];
  /** Room of `say(message)` and `emit(event)`. */
  defaultRoom?: string;
  /** Rooms to join by every `connect()`. */
  rooms?: string[];
  /** Actions on the socket at once; more wait their turn. Default 5. */
  simultaneousActions?: number;
  /** Cookie whose value goes along as `sessionID` when scripts can read it. Default `sessionID`. */
  cookieKey?: string;
  /**
   * Silence after which the connection counts as lost; 0 turns this off. Default 45000. With long polling and
   * socket.io, what the server gives at the opening of the session counts instead.
   */
  pingTimeout?: number;
  /** Time for the first attempt to connect, with all transports that it tries; 0: no limit. Default 10000. */
  connectTimeout?: number;
  /**
   * Silence after which an attempt goes on to the next transport, if there is one: a proxy may keep a WebSocket
   * from opening, or open it and let nothing through. 0: only failures do. Default 4000.
   */
  fallbackTimeout?: number;
  /**
   * While long polling stands in for WebSocket, the same session is moved to WebSocket as soon as one gets
   * through: time before the first try, doubled after each that fails, up to 30 minutes. Default 30000.
   */
  upgradeDelay?: number;
  /** Time for an answer; actions get 5 s more. 0: no limit. Default 30000. */
  callTimeout?: number;
  /** `false`: never reconnect, and do not try again after a failed `connect()`. */
  reconnect?: false | ReconnectPolicy;
  WebSocket?: WebSocketConstructor;
  XMLHttpRequest?: new () => any;
}

/** Runs before each action. Call `next` or `reject` once, now or later. */
export type Interceptor = (
  /** A copy of the caller's parameters, with `action`; changes are sent. */
  params: Record<string, any>,
  next: Next,
  reject: (error: unknown) => void
) => void;

export interface Next {
  /** Goes on. */
  (): void;
  /** Goes on; `hook` gets the response or error before the caller does, and may change it. */
  (hook: (response: any) => void): void;
  /** Answers the call; nothing is sent. */
  (response: object): void;
  /** Fails the call. */
  (response: null | undefined, error: unknown): void;
}

/**
 * - `disconnected`: no connection; before the first, between a loss and the first new attempt, after the end.
 * - `timeout`: an attempt took too long.
 */
export type State = 'disconnected' | 'connected' | 'reconnecting' | 'timeout';

/** WebSocket, or long polling; the last two in scripts for socket.io, which have no others. */
export type TransportName = 'ws' | 'polling' | 'socketio' | 'socketio-polling';

/** Why a connection ended. */
export interface Closing {
  /**
   * The close code of the WebSocket: those of the server, 1005 for a close without one, 1006 for a loss without a
   * close. Long polling tells no codes: there it is 1005 if the server has closed, and 1006 for all else. 1000 if the
   * connection ended for good.
   */
  code: number;
  /**
   * The code in a word, as in the server's table of close reasons (`going_away`, `slow_consumer`, `peer_gone` …);
   * `peer_closed` for what is not in the table. And what the client knows itself: `disconnected` by `disconnect()`,
   * `replaced` by another `connect()`, `ended` by the server, `offline`, `page_left` by a page that is shown again,
   * `heartbeat_missed` for silence.
   */
  label: string;
  /** For people; may be empty. */
  reason: string;
  /** Whether the client comes back by itself. */
  reconnect: boolean;
}

export interface Events {
  /** The connection is ready: rooms are joined, details are known. */
  connected: [];
  /** What carries the connection: after each `connected`, and when it moves to WebSocket. */
  transport: [name: TransportName];
  /** The connection was lost, or `disconnect()` ended it. */
  disconnected: [why: Closing];
  /** Something failed outside of any call: the socket, an attempt to connect, a room not restored. */
  error: [error: StellarError];
  /** An attempt to reconnect begins. */
  reconnecting: [];
  /** The socket is back after a loss; `connected` follows. Id and other details may differ. */
  reconnect: [];
  /** An attempt to connect took too long. */
  timeout: [];
  /** Every packet. */
  message: [packet: any];
  alert: [packet: Packet];
  /** Packets of the server, and those with an unknown context. */
  api: [packet: any];
  welcome: [packet: WelcomePacket];
  /** Everything said in the joined rooms. */
  say: [packet: ChatMessage];
}

/** Gets the data of a room event and the packet that brought it. */
export type RoomListener<T = any> = (data: T, packet: ChatMessage<{ event: string; data: T }>) => void;

type Rooms = Array<string | string[]>;

/** A set of rooms. `to`, `for` and `from` are one: each returns a larger set. */
export interface Scope {
  readonly rooms: string[];
  to(...rooms: Rooms): Scope;
  for(...rooms: Rooms): Scope;
  from(...rooms: Rooms): Scope;
  /** Sends an event to each room; gives the answers in the order of `rooms`, or the first error. */
  emit(event: string, callback: (error: StellarError | null, packets: Packet[]) => void): void;
  emit(event: string, data: unknown, callback: (error: StellarError | null, packets: Packet[]) => void): void;
  emit(event: string, data?: unknown): Promise<VerbResponse[]>;
  on<T = any>(event: string, listener: RoomListener<T>): this;
  /** Without a listener: all listeners of the event in these rooms. */
  off<T = any>(event: string, listener?: RoomListener<T>): this;
}

type Done = (error: StellarError | null, packet?: Packet) => void;

/**
 * Every call takes a callback, or returns a promise if there is none. Verbs that are called before
 * the connection is ready wait for it, at most 1000 of them; they fail with "not connected" before
 * `connect()` and while the connection is being restored.
 */
export class StellarClient {
  constructor(options?: Options, externalSocket?: WebSocketConstructor);

  /** Connection id; another one after a reconnect. */
  readonly id?: string;
  readonly fingerprint?: string | null;
  /** The joined rooms; while there is no connection, those to be joined by the next one. */
  readonly rooms: string[];
  readonly state: State;
  /** What carries the connection now, `null` without one. */
  readonly transport: TransportName | null;
  /** Packets written on this socket. */
  readonly messageCount: number;
  readonly welcomeMessage?: string;
  /** The first details of this connection. */
  readonly details?: DetailsResponse | null;
  readonly options: Options;
  interceptors: Interceptor[];

  /**
   * Opens a connection, ending a previous one. If the first attempt fails, the callback gets the
   * error (the promise rejects) and `error` is raised, once; unless `options.reconnect` is `false`
   * the client goes on trying, and raises `connected` when it succeeds.
   * An address that the browser refuses, or no usable transport, is final.
   */
  connect(): Promise<DetailsResponse>;
  connect(callback: (error: StellarError | null, details?: DetailsResponse) => void): void;

  /** Ends the connection, or the attempts to get one, and forgets the joined rooms. */
  disconnect(): void;

  /**
   * Runs an action: on the socket if `state` is `connected`, else over HTTP.
   * The callback gets the response only. The promise rejects with the response if it has `error`,
   * or with what an interceptor gave. Lost connections and timeouts count as `{error: Error}`.
   */
  action<T = Record<string, any>>(name: string, callback: (response: ActionResponse<T>) => void): void;
  action<T = Record<string, any>>(name: string, params?: object | null): Promise<ActionResponse<T>>;
  action<T = Record<string, any>>(name: string, params: object | null | undefined, callback: (response: ActionResponse<T>) => void): void;

  /** Says something in a room that the client has joined; without a room: in the default room. */
  say(message: unknown, callback: Done): void;
  say(message: unknown): Promise<VerbResponse>;
  say(room: string, message: unknown): Promise<VerbResponse>;
  say(room: string, message: unknown, callback: Done): void;

  /** Asks for the details and refreshes `id`, `fingerprint` and `rooms`. */
  detailsView(): Promise<DetailsResponse>;
  detailsView(callback: (error: StellarError | null, response?: DetailsResponse) => void): void;

  roomView(room: string): Promise<RoomResponse>;
  roomView(room: string, callback: (response: RoomResponse | undefined, error: StellarError | null) => void): void;

  /** The promise gives the details after joining, the callback the answer to the verb. */
  roomAdd(room: string): Promise<DetailsResponse>;
  roomAdd(room: string, callback: Done): void;
  roomJoin: StellarClient['roomAdd'];
  join: StellarClient['roomAdd'];

  /**
   * The promise gives the details after leaving, the callback the answer to the verb.
   * Fails without a connection, but then the room is not joined again by the next one.
   */
  roomLeave(room: string): Promise<DetailsResponse>;
  roomLeave(room: string, callback: Done): void;
  leave: StellarClient['roomLeave'];

  file(path: string): Promise<FileResponse>;
  file(path: string, callback: (response: FileResponse | undefined, error: StellarError | null) => void): void;

  /**
   * Sends any packet, and gives the answer as it comes: whether it tells of a failure is for the caller to see. The
   * error says why there is no answer. A `messageId` of the packet stands in the answer, if the server gives it back.
   */
  send(packet: object): Promise<Packet>;
  send(packet: object, callback: (response: Packet | undefined, error: StellarError | null) => void): void;

  /** Sends an event to the default room. */
  emit(event: string, callback: (error: StellarError | null, packets: Packet[]) => void): void;
  emit(event: string, data: unknown, callback: (error: StellarError | null, packets: Packet[]) => void): void;
  emit(event: string, data?: unknown): Promise<VerbResponse[]>;
  to(...rooms: Rooms): Scope;
  for(...rooms: Rooms): Scope;
  from(...rooms: Rooms): Scope;
  setDefaultRoom(room: string): void;

  /**
   * Besides the events of the client: room events of all rooms by their name, unless a client event
   * has that name or it starts with `[`, and those of one room as `[room].event`, see `from`.
   */
  on<E extends keyof Events>(event: E, listener: (...args: Events[E]) => void): this;
  on<E extends string>(event: E extends keyof Events ? never : E, listener: RoomListener): this;
  once<E extends keyof Events>(event: E, listener: (...args: Events[E]) => void): this;
  once<E extends string>(event: E extends keyof Events ? never : E, listener: RoomListener): this;
  /** Without a listener: all listeners of the event. */
  off(event: string, listener?: (...args: any[]) => void): this;
  removeListener(event: string, listener?: (...args: any[]) => void): this;
  /** Without an event: all listeners of all events. */
  removeAllListeners(event?: string): this;
}

export default StellarClient;

declare global {
  interface Window {
    /** Set by the script form, unless the server was told another name. */
    StellarClient: typeof StellarClient;
  }
}
