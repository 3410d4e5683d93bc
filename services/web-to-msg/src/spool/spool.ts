import type { Broker, Outgoing } from '@blockhub/broker';
import { type BackOff, backOff, type Cancel, type Clock } from '@blockhub/clock';
import { BlockhubError, errorCode, hasCode, isTransient } from '@blockhub/errors';
import type { Counter, Health, Logger, Metrics } from '@blockhub/telemetry';
import type { Random } from '@blockhub/worker';
import { within } from '../publish/deadline.ts';
import { type CapturePublisher, isLarge, type KeepBodyFor } from '../publish/publisher.ts';
import type { SpoolDisk } from './disk.ts';
import type { SpoolEntry } from './record.ts';
import { SpoolLog } from './spool-log.ts';

/** A larger entry goes alone. Batches are large, because each waits for the confirm before it. */
const BATCH_ENTRIES = 1000;
const BATCH_BYTES = 4 * 2 ** 20;
/** How many times `limitMs` a drain waits at most. */
const MAX_PATIENCE = 16;
/** How long the spool is not ready after a failed write. Then a request must try the disk again. */
const FAULT_MS = 5000;
const between: BackOff = { firstMs: 100, mostMs: 5000 };

export interface SpoolOptions {
  readonly disk: SpoolDisk;
  readonly publisher: CapturePublisher;
  /** How long a drain first waits for broker and store. If it is too short, it grows. */
  readonly limitMs: number;
  /**
   * How long a request may wait for the disk. After that only a refusal is left, so it may be
   * longer than the wait for the broker.
   */
  readonly diskLimitMs: number;
  readonly broker: Pick<Broker, 'state' | 'onState'>;
  /** Maximum size of all files. */
  readonly maxBytes: number;
  readonly maxRequests: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly health: Health;
}

/**
 * | mode     | what is done                                             | next                       |
 * | -------- | -------------------------------------------------------- | -------------------------- |
 * | probing  | the oldest entry is published alone, with growing pauses | draining or handover       |
 * | draining | batches are published, each is dropped when confirmed    | handover, at the last batch |
 * | handover | the same, and new requests wait until the spool is empty | probing, when it is empty  |
 *
 * Any failure leads to probing.
 */
type Mode = 'probing' | 'draining' | 'handover';

/**
 * Requests that the broker did not take, on disk, in their order. Without the handover a busy
 * instance would spool requests as fast as it drains, and never be done.
 */
export class Spool {
  readonly #options: SpoolOptions;
  readonly #drained: Counter;
  readonly #refused: Counter;
  readonly #stopWatching: () => void;
  readonly #log: SpoolLog;
  readonly #draining: Promise<void>;
  #wake = Promise.withResolvers<void>();
  #pause = new AbortController();
  #mode: Mode = 'probing';
  #handover = Promise.withResolvers<void>();
  /** A finishing spool ends when it is empty, or when the broker fails. */
  #life: 'open' | 'finishing' | 'closed' = 'open';
  #patience = 1;
  #oldestAt: number | undefined;
  /** Code of the error of the last write, for `FAULT_MS`. */
  #fault: string | undefined;
  #endFault: Cancel = () => {};
  /** Code of the error of the last drain. */
  #waitsFor: string | undefined;

  private constructor(options: SpoolOptions, log: SpoolLog) {
    const { broker, metrics, clock } = options;
    this.#options = options;
    this.#log = log;
    this.#drained = metrics.counter('blockhub_capture_spool_drained_total', 'Spooled requests that the broker has confirmed.');
    this.#refused = metrics.counter(
      'blockhub_capture_spool_refused_total',
      'Requests that the spool refused, because it was full or could not write.',
    );
    metrics.gauge('blockhub_capture_spool_requests', 'Requests in the spool.').read(() => log.entries);
    metrics.gauge('blockhub_capture_spool_bytes', 'Size of the files in the spool, in bytes.').read(() => log.bytes);
    metrics.gauge('blockhub_capture_spool_damaged_files', 'Damaged files in the spool, kept for the operator.').read(() => log.damaged);
    const age = (): number => (this.isEmpty || this.#oldestAt === undefined ? 0 : Math.max(0, clock.now() - this.#oldestAt) / 1000);
    metrics.gauge('blockhub_capture_spool_oldest_seconds', 'Age of the oldest request in the spool, in seconds.').read(age);
    log.onWritten(() => this.#wakeUp());
    this.#stopWatching = broker.onState((state) => {
      if (state === 'connected') this.#pause.abort();
      this.#show();
    });
    this.#show();
    this.#draining = this.#drain();
  }

  /** Begins to drain what is left there. @throws SPOOL_UNAVAILABLE if the disk cannot be read */
  static async open(options: SpoolOptions): Promise<Spool> {
    const { disk, maxBytes, maxRequests, random, log } = options;
    try {
      return new Spool(options, await SpoolLog.open({ disk, maxBytes, maxEntries: maxRequests, random, log }));
    } catch (error) {
      disk.release();
      throw new BlockhubError('SPOOL_UNAVAILABLE', `The spool could not be read (${errorCode(error)}).`, { cause: error });
    }
  }

  get isEmpty(): boolean {
    return this.#log.entries === 0;
  }

  /** The end of a handover. A request that waits for it may be published if `isEmpty` is true. */
  get handover(): Promise<void> | undefined {
    return this.#mode === 'handover' ? this.#handover.promise : undefined;
  }

  /**
   * Resolves when the messages are durable here. After an error they may reach the broker too.
   * @throws SPOOL_FULL, SPOOL_UNAVAILABLE, CAPTURE_UNCONFIRMED
   */
  async add(messages: readonly Outgoing[], keepBodyFor: KeepBodyFor): Promise<void> {
    const { clock, log, diskLimitMs } = this.#options;
    const at = clock.now();
    if (this.isEmpty) this.#oldestAt = at;
    try {
      const adding = this.#log.add({ at, messages });
      keepBodyFor(adding);
      await within(clock, clock.ticks() + diskLimitMs, adding, 'spool');
      if (this.#fault !== undefined) this.#setFault(undefined);
    } catch (error) {
      this.#refused.add();
      if (this.#fault === undefined) log.error({ code: errorCode(error), err: error }, 'the spool refuses requests');
      this.#setFault(errorCode(error));
      throw error;
    }
  }

  /** Drains until the spool is empty, or the broker fails. */
  async finish(): Promise<void> {
    this.#life = 'finishing';
    this.#pause.abort();
    this.#wakeUp();
    await this.#draining;
  }

  /** Releases the disk. The next process drains what is left. */
  async close(): Promise<void> {
    this.#life = 'closed';
    this.#stopWatching();
    this.#endFault();
    this.#pause.abort();
    this.#wakeUp();
    await this.#log.close();
  }

  async #drain(): Promise<void> {
    for (let failures = 0; this.#life !== 'closed'; ) {
      const { promise: woken } = this.#wake;
      try {
        const entries = await this.#log.read(this.#mode === 'probing' ? 1 : BATCH_ENTRIES, BATCH_BYTES);
        if (entries.length > 0) await this.#drainBatch(entries);
        else {
          // The spool is also empty if the last entries could not be written.
          if (this.isEmpty) this.#enter('probing');
          if (this.isEmpty && this.#life !== 'open') return;
          await woken;
        }
        failures = 0;
      } catch (error) {
        this.#fail(error, ++failures);
        if (this.#life !== 'open') return;
        await this.#options.clock.sleep(backOff(failures, between, this.#options.random), this.#pause.signal);
        if (this.#pause.signal.aborted) this.#pause = new AbortController();
      }
    }
  }

  async #drainBatch(entries: readonly SpoolEntry[]): Promise<void> {
    this.#oldestAt = entries[0]?.at;
    const published = await this.#publish(entries);
    // A closed spool has released its disk.
    if (this.#life === 'closed') return;
    this.#waitsFor = undefined;
    this.#drained.add(published);
    await this.#log.drop(published);
    if (this.isEmpty) this.#rest();
    else if (this.#mode !== 'handover') this.#enter(this.#log.entries <= BATCH_ENTRIES ? 'handover' : 'draining');
    this.#setFault(undefined);
  }

  /** Returns how many are confirmed: those before a body that the store does not take now. */
  async #publish(entries: readonly SpoolEntry[]): Promise<number> {
    const messages: Outgoing[] = [];
    let count = 0;
    for (const entry of entries) {
      try {
        messages.push(...(await this.#stored(entry.messages)));
      } catch (error) {
        if (count === 0) throw error;
        break;
      }
      count++;
    }
    await this.#options.publisher.publish(messages, this.#deadline());
    return count;
  }

  /** Deadline of the next wait, in ticks. */
  #deadline(): number {
    const { clock, limitMs } = this.#options;
    return clock.ticks() + limitMs * this.#patience;
  }

  /**
   * If the store refuses a body for good, for example because other bytes lie at its key, the body
   * goes with its message: it was answered with 202, and the consumer must decide about it.
   */
  async #stored(messages: readonly Outgoing[]): Promise<readonly Outgoing[]> {
    try {
      return await this.#options.publisher.store(messages, this.#deadline());
    } catch (error) {
      if (isTransient(error)) throw error;
      this.#options.log.warn({ err: error, code: errorCode(error), id: messages[0]?.id }, 'the store refuses a spooled body');
      return messages.map((message) => (isLarge(message) ? inline(message) : message));
    }
  }

  #fail(error: unknown, failures: number): void {
    this.#enter('probing');
    const code = errorCode(error);
    this.#waitsFor = code;
    if (hasCode(error, 'CAPTURE_UNCONFIRMED')) this.#patience = Math.min(MAX_PATIENCE, 2 * this.#patience);
    if (failures === 1)
      this.#options.log.warn({ code, err: error, requests: this.#log.entries }, 'spooled requests cannot be published yet');
    this.#show();
  }

  #rest(): void {
    this.#enter('probing');
    this.#patience = 1;
    this.#oldestAt = undefined;
    this.#options.log.info('the spool is empty');
  }

  #enter(mode: Mode): void {
    if (this.#mode === mode) return;
    if (this.#mode === 'handover') this.#handover.resolve();
    if (mode === 'handover') this.#handover = Promise.withResolvers();
    this.#mode = mode;
  }

  #wakeUp(): void {
    this.#show();
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  #setFault(fault: string | undefined): void {
    this.#endFault();
    this.#fault = fault;
    if (fault !== undefined && this.#life !== 'closed')
      this.#endFault = this.#options.clock.after(FAULT_MS, () => this.#setFault(undefined));
    this.#show();
  }

  /** Ready while requests are taken. If the broker is away, this decides about its check too. */
  #show(): void {
    const { broker, health } = this.#options;
    const { entries, bytes, damaged } = this.#log;
    const takes = this.#fault === undefined;
    const holds = entries === 0 ? 'empty' : `${entries} requests, ${bytes} bytes`;
    const waits = entries > 0 && this.#waitsFor !== undefined ? `, waits: ${this.#waitsFor}` : '';
    const kept = damaged === 0 ? '' : `, ${damaged} damaged files kept`;
    health.set('spool', takes || entries === 0, `${takes ? '' : `${this.#fault}: `}${holds}${waits}${kept}`);
    if (broker.state !== 'connected' && broker.state !== 'closed')
      health.set('broker', takes, `${broker.state}, ${takes ? 'requests are spooled' : 'and the spool refuses requests'}`);
  }
}

function inline({ meta: { at: _at, ...meta }, ...rest }: Outgoing): Outgoing {
  return { ...rest, meta };
}
