import { type BackOff, backOff, type Cancel, type Clock, Pace } from '@blockhub/clock';
import { BlockhubError, errorCode, hasCode } from '@blockhub/errors';
import type { Channel, ChannelModel } from 'amqplib';
import { closedBroker } from '../../checks.ts';
import type { BrokerLog } from '../../types.ts';
import { closeReason } from './close-reason.ts';
import { dial, type Line } from './dial.ts';
import type { AmqpTarget } from './url.ts';

const betweenTries: BackOff = { firstMs: 100, mostMs: 10_000 };
/** An orderly end waits so long for the server's answer. */
const CLOSE_MS = 2_000;
/** The same failure is logged again after so long. */
const LOG_AGAIN_MS = 60_000;

export interface LinkParts {
  readonly target: AmqpTarget;
  /** Shown in RabbitMQ's list of connections, and in logs. */
  readonly name: string;
  readonly clock: Clock;
  readonly log: BrokerLog | undefined;
  /** It is open; what must lie on it is made here. An error ends the connection, and it is tried again. */
  onUp(model: ChannelModel): Promise<void>;
  /** `up` is another now. */
  onChange(): void;
  onBlocked(blocked: boolean): void;
}

/** The `fix` is that of the broker's reason, or of the error that was the cause. */
export const unavailable = (text: string, cause?: unknown): BlockhubError =>
  new BlockhubError('BROKER_UNAVAILABLE', text, {
    cause,
    fix: closeReason(cause)?.fix ?? (cause instanceof BlockhubError ? cause.fix : undefined),
  });

/** Closes a connection or a channel. amqplib's own promise waits for ever where the socket ends before the server answers. */
export const closed = (open: ChannelModel | Channel): Promise<void> =>
  new Promise((resolve) => {
    open.once('close', () => resolve());
    // Rejected where it is closed already.
    open.close().catch(() => resolve());
  });

/** One connection that comes back by itself, for ever, at the next address. */
export class Link {
  readonly #parts: LinkParts;
  #line: Line | undefined;
  #up = false;
  #next: number;
  #failures = 0;
  #lastError: unknown;
  /** Since the last connection. */
  #pace: Pace;
  #timer: Cancel | undefined;
  #closed = false;

  constructor(parts: LinkParts) {
    this.#parts = parts;
    this.#pace = new Pace(parts.clock, LOG_AGAIN_MS);
    this.#next = Math.floor(Math.random() * parts.target.addresses.length);
  }

  /** Open, and all that must lie on it. */
  get up(): boolean {
    return this.#up;
  }

  /** BROKER_UNAVAILABLE, BROKER_CLOSED */
  get model(): ChannelModel {
    if (this.#closed) throw closedBroker();
    if (!this.#line) throw this.noLine;
    return this.#line.model;
  }

  /** Why there is none. */
  get noLine(): BlockhubError {
    const why = this.#lastError instanceof Error ? `: ${this.#lastError.message}` : '';
    return unavailable(`there is no connection to the broker now${why}`, this.#lastError);
  }

  /** Why it is not up, as far as that is known. */
  get trouble(): BlockhubError | undefined {
    if (this.#up || this.#lastError === undefined) return undefined;
    return this.#lastError instanceof BlockhubError ? this.#lastError : this.noLine;
  }

  /** The connection is still this one. */
  isOn(model: ChannelModel): boolean {
    return this.#line?.model === model;
  }

  /** Tries each address once. What waiting cannot mend is thrown: BROKER_DENIED, BROKER_UNSAFE, BROKER_URL_INVALID. After all else it goes on trying. */
  async open(): Promise<void> {
    for (let tries = this.#parts.target.addresses.length; tries > 0; tries--) {
      try {
        await this.#connect();
        return;
      } catch (error) {
        if (!hasCode(error, 'BROKER_UNAVAILABLE')) throw error;
        this.#failed(error);
      }
    }
    this.#again();
  }

  /** Nothing comes from the other side any more: the connection is given up. */
  cut(reason: string): void {
    if (!this.#line) return;
    this.#parts.log?.warn({ connection: this.#parts.name, reason }, 'broker connection given up');
    this.#line.cut();
  }

  async close(): Promise<void> {
    this.#timer?.();
    this.#closed = true;
    const line = this.#line;
    if (!line) return;
    const late = this.#parts.clock.after(CLOSE_MS, () => line.cut());
    await closed(line.model);
    late();
  }

  async #connect(): Promise<void> {
    const { target, name, log } = this.#parts;
    const address = target.addresses[this.#next++ % target.addresses.length] as AmqpTarget['addresses'][number];
    const line = await dial(target, address, name);
    if (this.#closed) {
      line.model.on('error', () => {});
      line.cut();
      throw closedBroker();
    }
    this.#line = line;
    this.#watch(line);
    try {
      await this.#parts.onUp(line.model);
    } catch (cause) {
      line.cut();
      throw unavailable('the connection ended while it was set up', cause);
    }
    if (this.#line !== line) throw unavailable('the connection ended while it was set up');
    this.#failures = 0;
    this.#pace = new Pace(this.#parts.clock, LOG_AGAIN_MS);
    this.#up = true;
    this.#parts.onChange();
    log?.info({ connection: name, ...address, version: line.model.connection.serverProperties.version }, 'broker connected');
  }

  #watch(line: Line): void {
    const { name, log, onChange, onBlocked } = this.#parts;
    let last: unknown;
    line.model.on('error', (error) => {
      last = error;
    });
    line.model.on('handler-error', (error) => log?.error({ connection: name, err: error }, 'broker listener failed'));
    line.model.on('blocked', (reason) => {
      log?.warn({ connection: name, reason }, 'broker takes no messages');
      onBlocked(true);
    });
    line.model.on('unblocked', () => {
      log?.info({ connection: name }, 'broker takes messages again');
      onBlocked(false);
    });
    line.model.once('close', (error) => {
      // amqplib ends its side only; a peer that never answers would keep the socket.
      line.cut();
      if (this.#line !== line) return;
      const wasUp = this.#up;
      this.#line = undefined;
      this.#up = false;
      this.#lastError = error ?? last;
      if (wasUp && !this.#closed)
        log?.warn({ connection: name, ...closeReason(error ?? last), err: error ?? last }, 'broker connection lost');
      // While it is set up, whoever does that is told by what fails.
      if (!wasUp) return;
      onChange();
      this.#again();
    });
  }

  #again(): void {
    if (this.#closed) return;
    this.#timer = this.#parts.clock.after(backOff(this.#failures + 1, betweenTries, Math.random), () => {
      this.#connect().catch((error) => {
        if (this.#closed) return;
        this.#failed(error);
        this.#again();
      });
    });
  }

  #failed(error: unknown): void {
    this.#failures++;
    this.#lastError = error;
    const fix = error instanceof BlockhubError ? error.fix : undefined;
    const facts = {
      connection: this.#parts.name,
      code: errorCode(error),
      err: error,
      ...(fix !== undefined && { fix }),
      failures: this.#failures,
    };
    // It is tried every few seconds, for as long as an outage lasts.
    if (this.#pace.pass(`${errorCode(error)} ${error instanceof Error ? error.message : ''}`) === 0) return;
    if (hasCode(error, 'BROKER_UNAVAILABLE')) this.#parts.log?.warn(facts, 'broker cannot be reached');
    else this.#parts.log?.error(facts, 'broker refuses');
  }
}
