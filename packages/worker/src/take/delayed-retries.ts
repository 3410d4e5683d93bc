import type { Cancel, Clock } from '@blockhub/clock';
import type { Logger, Metrics } from '@blockhub/telemetry';
import { clean } from '../error-text.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
/** A shorter delay is not counted: the message is back before anyone looks. */
const SHORTEST_MS = SECOND;
/** A longer delay is logged. */
const LONG_MS = MINUTE;
/** Messages that are delayed within this time share a log line. */
const TOGETHER_MS = SECOND;
/** Times are rounded to so many steps per doubling of the delay, which limits the entries. */
const STEPS = 32;

/** `asked`: the handler returned `retry`; `transient`: a server was away; `failed`: it threw. */
const retryCauses = ['asked', 'transient', 'failed'] as const;
export type RetryCause = (typeof retryCauses)[number];

export interface Delay {
  readonly afterMs: number;
  readonly kind: RetryCause;
  readonly reason: string;
  /** What an operator can do, if that is known. */
  readonly fix: string | undefined;
}

/** Messages that are retried at about the same time. */
interface Bucket {
  readonly kind: RetryCause;
  count: number;
  reason: string;
  fix: string | undefined;
}

export interface DelayedRetriesParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly worker: string;
}

/**
 * Messages that this process gave back for a later retry: how many, until when and why. Shown in
 * metrics and in the log. Messages that an earlier process delayed are not counted.
 */
export class DelayedRetries {
  readonly #clock: Clock;
  readonly #log: Logger;
  /** By cause, then by the ticks of the retry. */
  readonly #buckets = new Map<RetryCause, Map<number, Bucket>>(retryCauses.map((kind) => [kind, new Map()]));
  #timer: Cancel | undefined;
  #nextLine = 0;
  #ended = false;

  constructor({ clock, log, metrics, worker }: DelayedRetriesParts) {
    this.#clock = clock;
    this.#log = log;
    const messages = metrics.gauge(
      'blockhub_put_off_messages',
      'Messages that this process gave back to be retried after a second or more, until that time. `why`: `asked` by the handler, a `transient` error, or the handler `failed`. They wait in the broker. Messages from before the start of the process are not counted.',
      ['worker', 'why'],
    );
    for (const why of retryCauses) messages.labels({ worker, why }).read(() => this.#count(why));
    metrics
      .gauge(
        'blockhub_put_off_next_time_seconds',
        'When the next of these messages is retried, in seconds since 1970; 0 if there is none.',
        ['worker'],
      )
      .labels({ worker })
      .read(() => this.#unixSeconds(Math.min));
    metrics
      .gauge(
        'blockhub_put_off_latest_time_seconds',
        'When the last of these messages is retried, in seconds since 1970; 0 if there is none.',
        ['worker'],
      )
      .labels({ worker })
      .read(() => this.#unixSeconds(Math.max));
  }

  /** Entries in memory; each stands for any number of messages. */
  get entries(): number {
    return this.#open().length;
  }

  add({ afterMs, kind, reason, fix }: Delay, messages = 1): void {
    if (!(afterMs >= SHORTEST_MS) || this.#ended) return;
    const now = this.#clock.ticks();
    const step = 2 ** Math.max(0, Math.ceil(Math.log2(afterMs / SECOND / STEPS))) * SECOND;
    const at = Math.ceil((now + afterMs) / step) * step;
    const buckets = this.#buckets.get(kind) as Map<number, Bucket>;
    const bucket = buckets.get(at);
    if (bucket) bucket.count += messages;
    else {
      this.#sweep(buckets, now);
      buckets.set(at, { kind, count: messages, reason, fix });
    }
    if (afterMs > LONG_MS && !this.#timer) this.#logAt(Math.max(this.#nextLine, now + TOGETHER_MS));
  }

  /** Writes no more lines. */
  end(): void {
    this.#ended = true;
    this.#timer?.();
    this.#timer = undefined;
  }

  #logAt(ticks: number): void {
    this.#timer = this.#clock.after(Math.max(0, ticks - this.#clock.ticks()), () => {
      this.#timer = undefined;
      this.#logNow();
    });
  }

  #logNow(): void {
    const now = this.#clock.ticks();
    const open = this.#open();
    const last = open.reduce<(typeof open)[number] | undefined>((most, one) => (most && most[0] >= one[0] ? most : one), undefined);
    if (!last || last[0] - now <= LONG_MS) return;
    const [at, { kind, reason, fix }] = last;
    const times = open.map(([time]) => time);
    const facts = {
      messages: open.reduce((sum, [, { count }]) => sum + count, 0),
      next: this.#isoTime(Math.min(...times)),
      until: this.#isoTime(at),
      why: kind,
      reason: clean(reason),
      ...(fix !== undefined && { fix }),
    };
    this.#log.warn(facts, 'messages wait for longer than a minute until they are retried');
    this.#nextLine = now + MINUTE;
    this.#logAt(this.#nextLine);
  }

  #count(kind: RetryCause): number {
    const buckets = this.#buckets.get(kind) as Map<number, Bucket>;
    this.#sweep(buckets, this.#clock.ticks());
    return buckets.values().reduce((sum, { count }) => sum + count, 0);
  }

  #open(): (readonly [at: number, Bucket])[] {
    const now = this.#clock.ticks();
    return [...this.#buckets.values()].flatMap((buckets) => {
      this.#sweep(buckets, now);
      return [...buckets];
    });
  }

  #sweep(buckets: Map<number, Bucket>, now: number): void {
    for (const at of buckets.keys()) if (at <= now) buckets.delete(at);
  }

  #unixSeconds(of: (...times: number[]) => number): number {
    const times = this.#open().map(([at]) => at);
    return times.length === 0 ? 0 : Math.round(this.#unixMs(of(...times)) / SECOND);
  }

  #unixMs(ticks: number): number {
    return this.#clock.now() + ticks - this.#clock.ticks();
  }

  #isoTime(ticks: number): string {
    return new Date(this.#unixMs(ticks)).toISOString();
  }
}
