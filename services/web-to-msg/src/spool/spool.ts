import type { Broker, Outgoing } from '@blockhub/broker';
import { type BackOff, backOff, type Cancel, type Clock } from '@blockhub/clock';
import { BlockhubError, errorCode, hasCode, isTransient } from '@blockhub/errors';
import type { Counter, Health, Logger, Metrics } from '@blockhub/telemetry';
import type { Random } from '@blockhub/worker';
import { within } from '../publish/deadline.ts';
import { isLarge, type KeepBodyFor, type Publisher } from '../publish/publisher.ts';
import type { SpoolDisk } from './disk.ts';
import type { SpoolEntry } from './record.ts';
import { SpoolLog } from './spool-log.ts';

/** Most entries and bytes that are published at a time; a larger entry goes alone. Large, as one confirm is awaited after the other. */
const BATCH_ENTRIES = 1000;
const BATCH_BYTES = 4 * 2 ** 20;
const MAX_PATIENCE = 16;
/** A disk that did not take a request is asked again after that, for the sake of readiness: without it nobody might send one. */
const TROUBLE_MS = 5000;
const between: BackOff = { firstMs: 100, mostMs: 5000 };

export interface SpoolOptions {
  readonly disk: SpoolDisk;
  readonly publisher: Publisher;
  /** Longest wait for broker and store at first. Nobody waits for a drain, so it grows when that was not enough. */
  readonly limitMs: number;
  /** Longest wait of a request for the disk: behind it there is only a refusal, so it may be longer than the one for the broker. */
  readonly diskLimitMs: number;
  readonly broker: Pick<Broker, 'state' | 'onState'>;
  /** Most bytes of the spool's files, and most requests in them. */
  readonly maxBytes: number;
  readonly maxRequests: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly health: Health;
}

/**
 * What the broker did not take, on disk until it does: the messages of requests in the order in which they came. It drains by itself:
 *
 * 1. The oldest entry goes to the broker alone, again and again with growing pauses, until it is confirmed. What comes meanwhile is spooled.
 * 2. The broker answers: batches follow, each confirmed before it is dropped and the next one is read.
 * 3. One batch is left: new requests wait for its end (`handover`), as otherwise a busy capture would never be done with its spool.
 * 4. Empty: new requests go to the broker again. Any failure: back to 1.
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
  #handover: PromiseWithResolvers<void> | undefined;
  /** The last publish was confirmed. */
  #answers = false;
  /** How many times the usual time-out a drain waits. */
  #patience = 1;
  #oldestAt: number | undefined;
  /** Why the last request could not be spooled, for a while. */
  #trouble: string | undefined;
  #troubleEnds: Cancel = () => {};
  /** Why the last drain ended. */
  #waitsFor: string | undefined;
  #finishing = false;
  #closed = false;

  private constructor(options: SpoolOptions, log: SpoolLog) {
    const { broker, metrics, clock } = options;
    this.#options = options;
    this.#log = log;
    this.#drained = metrics.counter('blockhub_capture_spool_drained_total', 'Spooled requests that the broker has confirmed.');
    this.#refused = metrics.counter('blockhub_capture_spool_refused_total', 'Requests that the spool had no room for, or could not write.');
    metrics.gauge('blockhub_capture_spool_requests', 'Requests in the spool.').read(() => log.entries);
    metrics.gauge('blockhub_capture_spool_bytes', 'Bytes of the files of the spool.').read(() => log.bytes);
    metrics.gauge('blockhub_capture_spool_damaged_files', 'Damaged files of the spool, kept for a person.').read(() => log.damaged);
    const age = (): number => (this.isEmpty || this.#oldestAt === undefined ? 0 : Math.max(0, clock.now() - this.#oldestAt) / 1000);
    metrics.gauge('blockhub_capture_spool_oldest_seconds', 'Age of the oldest request in the spool.').read(age);
    log.onWritten(() => this.#wakeUp());
    this.#stopWatching = broker.onState((state) => {
      if (state === 'connected') this.#pause.abort();
      this.#show();
    });
    this.#show();
    this.#draining = this.#drain();
  }

  /** Takes the disk, finds what an earlier process left there, and drains it. SPOOL_UNAVAILABLE: it cannot be read now. */
  static async open(options: SpoolOptions): Promise<Spool> {
    const { disk, maxBytes, maxRequests, random, log } = options;
    try {
      return new Spool(options, await SpoolLog.open({ disk, maxBytes, maxEntries: maxRequests, random, log }));
    } catch (error) {
      disk.release();
      throw new BlockhubError('SPOOL_UNAVAILABLE', `The spool could not be read (${errorCode(error)}).`, { cause: error });
    }
  }

  /** Nothing waits for the broker. */
  get isEmpty(): boolean {
    return this.#log.entries === 0;
  }

  /** While there is one, whoever waits for it may go straight to the broker behind it, if `isEmpty` then holds. */
  get handover(): Promise<void> | undefined {
    return this.#handover?.promise;
  }

  /** Resolves when the messages are durable here. SPOOL_FULL, SPOOL_UNAVAILABLE, CAPTURE_UNCONFIRMED: they may get to the broker all the same. */
  async add(messages: readonly Outgoing[], keepBodyFor: KeepBodyFor): Promise<void> {
    const { clock, log, diskLimitMs } = this.#options;
    const at = clock.now();
    if (this.isEmpty) this.#oldestAt = at;
    try {
      const adding = this.#log.add({ at, messages });
      keepBodyFor(adding);
      await within(clock, clock.ticks() + diskLimitMs, adding, 'spool');
      if (this.#trouble !== undefined) this.#setTrouble(undefined);
    } catch (error) {
      this.#refused.add();
      if (this.#trouble === undefined) log.error({ code: errorCode(error), err: error }, 'the spool takes no more');
      this.#setTrouble(errorCode(error));
      throw error;
    }
  }

  /** Drains for as long as the broker takes what it gets. */
  async finish(): Promise<void> {
    this.#finishing = true;
    this.#pause.abort();
    this.#wakeUp();
    await this.#draining;
  }

  /** Lets go of the disk. What is left is drained by the next process. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stopWatching();
    this.#troubleEnds();
    this.#pause.abort();
    this.#wakeUp();
    await this.#log.close();
  }

  async #drain(): Promise<void> {
    for (let failures = 0; !this.#closed; ) {
      const { promise: woken } = this.#wake;
      try {
        const entries = await this.#log.read(this.#answers ? BATCH_ENTRIES : 1, BATCH_BYTES);
        if (entries.length > 0) await this.#drainBatch(entries);
        else {
          // Also where the last ones could not be written after all.
          if (this.isEmpty) this.#endHandover();
          if (this.isEmpty && this.#finishing) return;
          await woken;
        }
        failures = 0;
      } catch (error) {
        this.#fail(error, ++failures);
        if (this.#finishing) return;
        await this.#options.clock.sleep(backOff(failures, between, this.#options.random), this.#pause.signal);
        if (this.#pause.signal.aborted) this.#pause = new AbortController();
      }
    }
  }

  async #drainBatch(entries: readonly SpoolEntry[]): Promise<void> {
    this.#oldestAt = entries[0]?.at;
    const delivered = await this.#deliver(entries);
    // Whoever closed it has let go of the disk.
    if (this.#closed) return;
    this.#answers = true;
    this.#waitsFor = undefined;
    this.#drained.add(delivered);
    await this.#log.drop(delivered);
    if (this.isEmpty) this.#rest();
    else if (this.#log.entries <= BATCH_ENTRIES) this.#handover ??= Promise.withResolvers();
    this.#setTrouble(undefined);
  }

  /** Gives how many of them, at least one, the broker has confirmed: those before a body that the store does not take now. */
  async #deliver(entries: readonly SpoolEntry[]): Promise<number> {
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

  /** Of the next wait, in ticks. */
  #deadline(): number {
    const { clock, limitMs } = this.#options;
    return clock.ticks() + limitMs * this.#patience;
  }

  /**
   * A large body that the store refuses for good, as where other bytes lie at its key, travels in its message: it was answered for, and who
   * takes the message judges it with everything at hand.
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
    this.#answers = false;
    this.#waitsFor = errorCode(error);
    if (hasCode(error, 'CAPTURE_UNCONFIRMED')) this.#patience = Math.min(MAX_PATIENCE, 2 * this.#patience);
    this.#endHandover();
    if (failures === 1) this.#options.log.warn({ code: errorCode(error), err: error, requests: this.#log.entries }, 'the spool waits');
    this.#show();
  }

  #rest(): void {
    this.#answers = false;
    this.#patience = 1;
    this.#oldestAt = undefined;
    this.#endHandover();
    this.#options.log.info('the spool is empty');
  }

  #endHandover(): void {
    this.#handover?.resolve();
    this.#handover = undefined;
  }

  #wakeUp(): void {
    this.#show();
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  #setTrouble(trouble: string | undefined): void {
    this.#troubleEnds();
    this.#trouble = trouble;
    if (trouble !== undefined && !this.#closed)
      this.#troubleEnds = this.#options.clock.after(TROUBLE_MS, () => this.#setTrouble(undefined));
    this.#show();
  }

  /** Ready is whoever takes what comes. So the spool has the last word on a broker that is away: requests must go on coming here. */
  #show(): void {
    const { broker, health } = this.#options;
    const { entries, bytes, damaged } = this.#log;
    const takes = this.#trouble === undefined;
    const holds = entries === 0 ? 'empty' : `${entries} requests, ${bytes} bytes`;
    const waits = entries > 0 && this.#waitsFor !== undefined ? `, waits: ${this.#waitsFor}` : '';
    const kept = damaged === 0 ? '' : `, ${damaged} damaged files kept`;
    health.set('spool', takes || entries === 0, `${takes ? '' : `${this.#trouble}: `}${holds}${waits}${kept}`);
    if (broker.state !== 'connected' && broker.state !== 'closed')
      health.set('broker', takes, `${broker.state}, ${takes ? 'requests are spooled' : 'and the spool takes none'}`);
  }
}

function inline({ meta: { at: _at, ...meta }, ...rest }: Outgoing): Outgoing {
  return { ...rest, meta };
}
