// Declarations of the Primus client: the reference of its options, methods and events.

/**
 * A number of milliseconds, or words such as `"30 seconds"` or `"1.5h"`. For anything else, and below 0, the default
 * counts. No timer lasts longer than 24.8 days.
 */
export type Duration = number | string;

export interface ReconnectOptions {
  /** Base of the delays: the first is between this and twice this. Default 500 ms. */
  min?: Duration;
  /** No delay is longer, but for one that the server wishes; 0: no limit, the default. */
  max?: Duration;
  /** Growth from attempt to attempt, at least 1. Default 2. */
  factor?: number | string;
  /** Attempts before giving up. Default 10. */
  retries?: number | string;
  /** Limit for one attempt; 0: none. Default 30 s. */
  'reconnect timeout'?: Duration;
}

export type Strategy = 'disconnect' | 'online' | 'timeout';

export interface PrimusOptions {
  /** Where the server is, if the first argument does not say it. Its path does not count. */
  url?: string | null;
  uri?: string | null;
  reconnect?: ReconnectOptions;
  /**
   * Limit for the first connection; false: none. Default 10 s. What opens later still counts, if the strategy has
   * `timeout`, until the next attempt begins.
   */
  timeout?: Duration | false;
  /** Silence after which the connection counts as lost; false: never. Default: what the server filled in. */
  pingTimeout?: Duration | false;
  /** When to reconnect: a list, a text with commas, or false. Default: all, without `timeout` if the server authorizes. */
  strategy?: Strategy[] | string | false;
  /** Do not open by itself; until `open` has been called the network does not open it either. */
  manual?: boolean;
  /** false: long polling only, where the script has it. */
  websockets?: boolean;
  /** Whether to listen to the browser's `online` and `offline`. Default: where there are such events. */
  network?: boolean;
  /** Handed to the WebSocket of Node; `withCredentials` counts for long polling. */
  transport?: { withCredentials?: boolean; [name: string]: unknown };
  /** Messages that wait for a connection at most; the oldest go first. Default 1000. */
  queueSize?: number;
  /** How long a first WebSocket may be silent before long polling is tried, in a script with both. Default 4 s. */
  fallbackTimeout?: Duration | false;
  /** Constructors in place of the global ones. */
  WebSocket?: new (url: string, protocols?: string[], options?: any) => any;
  XMLHttpRequest?: new () => any;
  /** Options of plugins. */
  [name: string]: unknown;
}

/** What the events of one outage share. */
export interface ReconnectState {
  'reconnect timeout': number;
  retries: number;
  factor: number;
  max: number;
  min: number;
  /** When the outage began, in ms since 1970. */
  start: number;
  /** How long it lasts so far, in ms. */
  duration: number;
  /** Number of the attempt, from 1. */
  attempt: number;
  /** True while waiting. */
  backoff: boolean;
  /** The delay of this attempt, in ms. */
  scheduled: number;
  /** Why the attempt before failed. */
  error?: Error;
}

export interface CloseInfo {
  code: number;
  reason: string;
}

/** Parts of the URL to connect to; listeners of `outgoing::url` may change them. */
export interface UrlParts {
  protocol: string;
  /** Without a question mark. */
  query: string;
  secure: boolean;
  auth: string;
  pathname: string;
  port: number;
  object?: boolean;
}

/** What `uri` is asked for; what is left out is as the URL has it. */
export interface UriWish {
  /** Default `http:`. */
  protocol?: string;
  query?: boolean;
  secure?: boolean;
  auth?: string | null;
  pathname?: string | false;
  port?: number | string;
}

export interface ParsedUrl {
  slashes: boolean;
  protocol: string;
  hash: string;
  query: string;
  pathname: string;
  auth: string;
  host: string;
  port: string;
  hostname: string;
  username: string;
  password: string;
  origin: string;
  href: string;
}

export interface PrimusEvents {
  open: () => void;
  data: (data: any, raw: any) => void;
  error: (error: Error) => void;
  /** `info` if the transport has told a code. */
  close: (info?: CloseInfo) => void;
  end: () => void;
  destroy: () => void;
  timeout: () => void;
  offline: () => void;
  online: () => void;
  readyStateChange: (state: 'opening' | 'open' | 'end') => void;
  'reconnect scheduled': (options: ReconnectState, error?: Error) => void;
  reconnect: (options: ReconnectState, done: (error?: Error) => void) => void;
  'reconnect timeout': (error: Error, options: ReconnectState) => void;
  reconnected: (options: ReconnectState) => void;
  'reconnect failed': (error: Error, options: ReconnectState) => void;
  'gave up': (error: Error, options: ReconnectState) => void;
  /** A message had to leave the queue. */
  dropped: (data: any) => void;
  'outgoing::url': (parts: UrlParts) => void;
}

type Listener<Event> = Event extends keyof PrimusEvents ? PrimusEvents[Event] : (...args: any[]) => void;

/** Listeners. An `error` without one is not thrown. */
export class EventEmitter {
  on<Event extends string>(event: Event, fn: Listener<Event>, context?: unknown): this;
  addListener<Event extends string>(event: Event, fn: Listener<Event>, context?: unknown): this;
  once<Event extends string>(event: Event, fn: Listener<Event>, context?: unknown): this;
  off(event: string, fn?: (...args: any[]) => void): this;
  removeListener(event: string, fn?: (...args: any[]) => void): this;
  removeAllListeners(event?: string): this;
  /** Whether anybody listened. */
  emit(event: string, ...args: any[]): boolean;
  listeners(event: string): ((...args: any[]) => void)[];
  listenerCount(event: string): number;
  eventNames(): string[];
}

export interface Packet {
  data: any;
}

/** Without the second parameter it is synchronous, and false drops the message. */
export type Transform = (this: Primus, packet: Packet, next: (error?: Error | null, keep?: false) => void) => boolean | void;

export type Plugin = (this: Primus, primus: Primus, options: PrimusOptions) => void;

export class Primus extends EventEmitter {
  static readonly OPENING: 1;
  static readonly CLOSED: 2;
  static readonly OPEN: 3;
  static readonly EventEmitter: typeof EventEmitter;
  static readonly Stream: typeof EventEmitter;
  static readonly Primus: typeof Primus;
  static connect(url?: string | PrimusOptions, options?: PrimusOptions): Primus;
  /** A module of Node, or undefined. */
  static requires(name: string): any;
  static require(name: string): any;

  constructor(url?: string | PrimusOptions, options?: PrimusOptions);

  readonly url: ParsedUrl;
  readonly options: PrimusOptions;
  readonly readyState: 1 | 2 | 3;
  readonly writable: boolean;
  readonly readable: boolean;
  /** Messages that wait for a connection. */
  readonly buffer: any[];
  readonly socket: any;
  readonly online: boolean;
  readonly disconnect: boolean;
  readonly pathname: string;
  readonly version: string;
  readonly authorization: boolean;
  readonly transport: object;
  readonly transformers: { incoming: Transform[]; outgoing: Transform[] };
  readonly ark: { [name: string]: Plugin };
  readonly AVOID_WEBSOCKETS: boolean;
  readonly NETWORK_EVENTS: boolean;
  readonly recovery: {
    reconnecting(): boolean;
    reset(): unknown;
    readonly attempt: ReconnectState | null;
  };
  readonly timers: {
    setTimeout(name: string, fn: () => void, time: Duration): unknown;
    active(name: string): boolean;
    clear(...names: string[]): unknown;
    end(): unknown;
  };

  /** Starts to connect; the client must be closed. */
  open(): this;
  /** True, also while there is no connection; false once destroyed. */
  write(data: any): boolean;
  /** Closes, without coming back. */
  end(data?: any): this;
  /** Ends for good and drops all listeners. False if it was destroyed already. */
  destroy(): boolean;
  /** Asks the server for the id of the connection. */
  id(fn: (id: string) => void): this;
  transform(type: 'incoming' | 'outgoing', fn: Transform): this;
  plugin(name: string): Plugin | undefined;
  plugin(): { [name: string]: Plugin };
  reserved(event: string): boolean;
  emits(event: string, filter?: (next: (error?: Error | null, value?: any) => boolean, ...args: any[]) => void): (...args: any[]) => any;
  critical(error: Error): this;
  /** Writes each message to `target`, and ends it at the end. */
  pipe<Target extends { write(data: any): unknown; end(): unknown }>(target: Target, options?: { end?: boolean }): Target;
  clone<Value extends object>(object: Value): Value;
  merge<Target extends object>(target: Target, ...sources: (object | null | undefined)[]): Target & { [name: string]: any };
  parse(url: string): ParsedUrl;
  querystring(query: string): { [name: string]: string };
  querystringify(object: object, prefix?: boolean | string): string;
  uri(options: UriWish & { object: true }): UrlParts;
  uri(options: UriWish): string;
  /** Parts of the machinery that transports and plugins reach for. */
  initialise(): void;
  client(): void;
  heartbeat(): this;
  timeout(): this;
  protocol(data: any): boolean;
  encoder(data: any, fn: (error: Error | null | undefined, packet?: any) => void): void;
  decoder(data: any, fn: (error: Error | null | undefined, data?: any) => void): void;
}

export default Primus;

declare global {
  interface Window {
    Primus: typeof Primus;
  }
}
