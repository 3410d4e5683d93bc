import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { type BackOff, backOff, type Cancel, type Clock, Pace } from '@blockhub/clock';
import { BlockhubError, errorCode, hasCode } from '@blockhub/errors';
import { MAX_SECRET_BYTES, readSecret } from '@blockhub/settings';
import { type ChannelModel, connect, credentials } from 'amqplib';
import { closedBroker, invalidUrl } from '../../checks.ts';
import type { BrokerLog } from '../../types.ts';
import { closeConnectionOrChannel } from './channel.ts';
import { closeReason, connectError, unavailable } from './errors.ts';
import type { Address, AmqpTarget } from './url.ts';

/** For the connection and its opening handshake. */
const CONNECT_MS = 10_000;
const betweenTries: BackOff = { firstMs: 100, mostMs: 10_000 };
/** How long `close` waits for the server's answer. */
const CLOSE_MS = 2_000;
/** The same failure is logged again after this time. */
const LOG_AGAIN_MS = 60_000;
const OLDEST = [3, 10] as const;
const neededCapabilities = ['publisher_confirms', 'basic.nack', 'consumer_cancel_notify', 'connection.blocked'];

interface OpenConnection {
  readonly model: ChannelModel;
  /** Ends it now, without AMQP's closing handshake. */
  abort(): void;
}

export interface ConnectionOptions {
  readonly target: AmqpTarget;
  /** Shown in RabbitMQ's list of connections, and in logs. */
  readonly name: string;
  readonly clock: Clock;
  readonly log: BrokerLog | undefined;
  /** Sets up a new connection. If it fails, the connection is ended and tried again. */
  onOpen(model: ChannelModel): Promise<void>;
  /** `isOpen` has changed. */
  onChange(): void;
  onBlocked(blocked: boolean): void;
}

/**
 * A connection that is opened again after every loss, at the next address.
 *
 * | mode | meaning | changes to |
 * | --- | --- | --- |
 * | connecting | an attempt runs, up to the end of `onOpen` | open; waiting, if it fails |
 * | open | it can be used | waiting, if it is lost |
 * | waiting | a timer runs until the next attempt | connecting |
 * | closed | `close` was called | |
 */
export class Connection {
  readonly #options: ConnectionOptions;
  #mode: 'connecting' | 'open' | 'waiting' | 'closed' = 'connecting';
  #open: OpenConnection | undefined;
  #nextAddress: number;
  #failures = 0;
  #lastError: unknown;
  /** For the failures since the last connection. */
  #pace: Pace;
  #timer: Cancel | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#pace = new Pace(options.clock, LOG_AGAIN_MS);
    this.#nextAddress = Math.floor(Math.random() * options.target.addresses.length);
  }

  get isOpen(): boolean {
    return this.#mode === 'open';
  }

  /** BROKER_UNAVAILABLE, BROKER_CLOSED */
  get model(): ChannelModel {
    if (this.#isClosed) throw closedBroker();
    if (!this.#open) throw this.#disconnected();
    return this.#open.model;
  }

  /** Why it is not open, if that is known. */
  get trouble(): BlockhubError | undefined {
    if (this.isOpen || this.#isClosed || this.#lastError === undefined) return undefined;
    return this.#lastError instanceof BlockhubError ? this.#lastError : this.#disconnected();
  }

  isCurrent(model: ChannelModel): boolean {
    return this.#open?.model === model;
  }

  /**
   * Tries each address once. BROKER_DENIED, BROKER_UNSAFE and BROKER_URL_INVALID are thrown,
   * because they do not end by themselves. After all other failures it returns, and goes on trying.
   */
  async open(): Promise<void> {
    for (let tries = this.#options.target.addresses.length; tries > 0; tries--) {
      try {
        await this.#connect();
        return;
      } catch (error) {
        if (!hasCode(error, 'BROKER_UNAVAILABLE')) throw error;
        this.#failed(error);
      }
    }
    this.#wait();
  }

  /** Gives up a connection whose other side is silent. */
  abort(reason: string): void {
    if (!this.#open) return;
    this.#options.log?.warn({ connection: this.#options.name, reason }, 'broker connection given up');
    this.#open.abort();
  }

  async close(): Promise<void> {
    this.#timer?.();
    this.#mode = 'closed';
    const open = this.#open;
    if (!open) return;
    const stop = this.#options.clock.after(CLOSE_MS, () => open.abort());
    await closeConnectionOrChannel(open.model);
    stop();
  }

  get #isClosed(): boolean {
    return this.#mode === 'closed';
  }

  #disconnected(): BlockhubError {
    const why = this.#lastError instanceof Error ? `: ${this.#lastError.message}` : '';
    return unavailable(`there is no connection to the broker now${why}`, this.#lastError);
  }

  async #connect(): Promise<void> {
    if (this.#isClosed) throw closedBroker();
    const { target, name, clock, log } = this.#options;
    this.#mode = 'connecting';
    const address = target.addresses[this.#nextAddress++ % target.addresses.length] as Address;
    const open = await connectOnce(target, address, name);
    if (this.#isClosed) {
      open.model.on('error', () => {});
      open.abort();
      throw closedBroker();
    }
    this.#open = open;
    this.#watch(open);
    try {
      await this.#options.onOpen(open.model);
    } catch (cause) {
      open.abort();
      throw unavailable('the connection ended while it was set up', cause);
    }
    if (this.#open !== open) throw unavailable('the connection ended while it was set up');
    this.#failures = 0;
    this.#pace = new Pace(clock, LOG_AGAIN_MS);
    if (!this.#isClosed) this.#mode = 'open';
    this.#options.onChange();
    log?.info({ connection: name, ...address, version: open.model.connection.serverProperties.version }, 'broker connected');
  }

  #watch(open: OpenConnection): void {
    const { name, log, onBlocked } = this.#options;
    let last: unknown;
    open.model.on('error', (error) => {
      last = error;
    });
    open.model.on('handler-error', (error) => log?.error({ connection: name, err: error }, 'broker listener failed'));
    open.model.on('blocked', (reason) => {
      log?.warn({ connection: name, reason }, 'broker accepts no messages');
      onBlocked(true);
    });
    open.model.on('unblocked', () => {
      log?.info({ connection: name }, 'broker accepts messages again');
      onBlocked(false);
    });
    open.model.once('close', (error) => {
      // amqplib ends only its own side; if the peer does not answer, the socket would stay open.
      open.abort();
      if (this.#open === open) this.#lost(error ?? last);
    });
  }

  #lost(error: unknown): void {
    const { name, log, onChange } = this.#options;
    this.#open = undefined;
    this.#lastError = error;
    // A loss while it connects makes `#connect` fail.
    if (!this.isOpen) return;
    log?.warn({ connection: name, ...closeReason(error), err: error }, 'broker connection lost');
    this.#wait();
    onChange();
  }

  #wait(): void {
    if (this.#isClosed) return;
    this.#mode = 'waiting';
    this.#timer = this.#options.clock.after(backOff(this.#failures + 1, betweenTries, Math.random), () => {
      this.#connect().catch((error) => {
        if (this.#isClosed) return;
        this.#failed(error);
        this.#wait();
      });
    });
  }

  #failed(error: unknown): void {
    const { name, log } = this.#options;
    this.#failures++;
    this.#lastError = error;
    // It is tried every few seconds, as long as an outage lasts.
    if (this.#pace.pass(`${errorCode(error)} ${error instanceof Error ? error.message : ''}`) === 0) return;
    const fix = error instanceof BlockhubError ? error.fix : undefined;
    const facts = { connection: name, code: errorCode(error), err: error, ...(fix !== undefined && { fix }), failures: this.#failures };
    if (hasCode(error, 'BROKER_UNAVAILABLE')) log?.warn(facts, 'broker cannot be reached');
    else log?.error(facts, 'broker refuses the connection');
  }
}

/**
 * BROKER_DENIED: the login is refused. BROKER_UNSAFE: a feature of the server is missing.
 * BROKER_URL_INVALID: a file cannot be read. BROKER_UNAVAILABLE: any other failure; try again.
 */
export async function connectOnce(target: AmqpTarget, address: Address, name: string): Promise<OpenConnection> {
  const { user, password } = await readLogin(target);
  const files = await readTlsFiles(target);
  const socket = new AbortController();
  const options = {
    ...files,
    noDelay: true,
    timeout: CONNECT_MS,
    // The signal destroys the socket; `close` would wait for the answer of a dead peer.
    signal: socket.signal,
    credentials: credentials.plain(user, password),
    clientProperties: { connection_name: name, product: 'blockhub' },
  };
  const { tls, vhost, heartbeatSeconds } = target;
  const server = {
    protocol: tls ? 'amqps' : 'amqp',
    hostname: address.host,
    port: address.port,
    // amqplib decodes it again.
    vhost: encodeURIComponent(vhost),
    heartbeat: heartbeatSeconds,
  };
  const model = await connect(server, options).catch((cause) => {
    throw connectError(cause, address, vhost);
  });
  // The socket is missing in amqplib's types.
  batchWrites((model.connection as typeof model.connection & { readonly stream: Writable }).stream);
  const abort = (): void => socket.abort();
  try {
    checkServer(model.connection.serverProperties);
  } catch (error) {
    model.on('error', () => {});
    abort();
    throw error;
  }
  return { model, abort };
}

/** User and password, read at every connect so that they may change. BROKER_URL_INVALID */
export async function readLogin({ user, password, passwordFile }: AmqpTarget): Promise<{ user: string; password: string }> {
  if (passwordFile === undefined) return { user: user ?? 'guest', password: password ?? (user === undefined ? 'guest' : '') };
  return { user: user ?? 'guest', password: await readPassword(passwordFile) };
}

async function readPassword(path: string): Promise<string> {
  // One byte above the limit shows that the file is too long.
  const bytes = await readUrlFile('passwordFile', path, () =>
    createReadStream(path, { end: MAX_SECRET_BYTES }).toArray().then(Buffer.concat),
  );
  try {
    return readSecret(`the file ${JSON.stringify(path)} that passwordFile names`, bytes);
  } catch (error) {
    if (!hasCode(error, 'SETTINGS_INVALID')) throw error;
    throw invalidUrl('passwordFile', error.message, error);
  }
}

/** BROKER_URL_INVALID */
export async function readTlsFiles({ ca, cert, key }: AmqpTarget): Promise<{ ca?: Buffer; cert?: Buffer; key?: Buffer }> {
  return {
    ...(ca !== undefined && { ca: await readUrlFile('ca', ca) }),
    ...(cert !== undefined && { cert: await readUrlFile('cert', cert) }),
    ...(key !== undefined && { key: await readUrlFile('key', key) }),
  };
}

async function readUrlFile(field: string, path: string, read = () => readFile(path)): Promise<Buffer> {
  try {
    return await read();
  } catch (cause) {
    throw invalidUrl(field, `${field}: the file ${path} cannot be read`, cause);
  }
}

/** Without these features a confirm, a return or a cancel would be missed. BROKER_UNSAFE */
function checkServer(server: { readonly version?: string; readonly product?: string; readonly capabilities?: unknown }): void {
  const capabilities = (server.capabilities ?? {}) as Readonly<Record<string, unknown>>;
  const missing = neededCapabilities.filter((name) => capabilities[name] !== true);
  const [major = 0, minor = 0] = (server.version ?? '').split('.').map(Number);
  const tooOld = server.product === 'RabbitMQ' && (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]));
  if (missing.length === 0 && !tooOld) return;
  const why = tooOld ? `RabbitMQ ${server.version} is older than ${OLDEST.join('.')}` : `it has no ${missing.join(', ')}`;
  throw new BlockhubError('BROKER_UNSAFE', `the broker cannot be relied on: ${why}`, {
    details: { product: server.product, version: server.version },
  });
}

/** Sends all writes of one turn together: amqplib makes a system call and a packet per message. */
export function batchWrites(stream: Writable): void {
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
  let corked = false;
  stream.write = (...args: unknown[]): boolean => {
    if (!corked) {
      corked = true;
      stream.cork();
      process.nextTick(() => {
        corked = false;
        stream.uncork();
      });
    }
    return write(...args);
  };
}
