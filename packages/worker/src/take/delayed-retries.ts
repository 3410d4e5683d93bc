import type { Cancel, Clock } from '@blockhub/clock';
import type { Logger, Metrics } from '@blockhub/telemetry';
import { clean } from '../error-text.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
/** What comes again sooner is none of this: it is back before anybody looks. */
const LEAST_MS = SECOND;
/** A longer wait is logged. */
const LONG_MS = MINUTE;
/** What was put off together shares a line. */
const TOGETHER_MS = SECOND;
/** Times are kept so many to each doubling of the wait, so that any number of messages takes a few hundred entries. */
const STEPS = 32;

/** `asked`: the handler said so; `transient`: a part was away; `failed`: the handler threw an unknown error. */
const putOffKinds = ['asked', 'transient', 'failed'] as const;
export type PutOffKind = (typeof putOffKinds)[number];

export interface Delay {
  readonly afterMs: number;
  readonly kind: PutOffKind;
  readonly reason: string;
  /** What an operator can do, where that is known. */
  readonly fix: string | undefined;
}

/** Messages whose time comes at about the same moment. */
interface Bucket {
  readonly kind: PutOffKind;
  count: number;
  reason: string;
  fix: string | undefined;
}

export interface PutOffParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly worker: string;
}

/** What this process has put off and whose time has not come: how many, until when and why. It forgets what it put off before its start. */
export class PutOff {
  readonly #clock: Clock;
  readonly #log: Logger;
  /** By the ticks of their time, and by kind. */
  readonly #buckets = new Map<PutOffKind, Map<number, Bucket>>(putOffKinds.map((kind) => [kind, new Map()]));
  #timer: Cancel | undefined;
  #nextLine = 0;
  #ended = false;

  constructor({ clock, log, metrics, worker }: PutOffParts) {
    this.#clock = clock;
    this.#log = log;
    const messages = metrics.gauge(
      'blockhub_put_off_messages',
      'Messages that this process has put off for a second or longer and whose time has not come, by why: `asked` by the handler, a `transient` error, or it `failed`. They wait in the broker; those of before the start of the process are not counted.',
      ['worker', 'why'],
    );
    for (const why of putOffKinds) messages.labels({ worker, why }).read(() => this.#count(why));
    metrics
      .gauge(
        'blockhub_put_off_next_time_seconds',
        'When the next of these messages comes again, in seconds since 1970; 0 where there is none.',
        ['worker'],
      )
      .labels({ worker })
      .read(() => this.#unixSeconds(Math.min));
    metrics
      .gauge(
        'blockhub_put_off_latest_time_seconds',
        'When the last of these messages comes again, in seconds since 1970; 0 where there is none.',
        ['worker'],
      )
      .labels({ worker })
      .read(() => this.#unixSeconds(Math.max));
  }

  /** Entries that it keeps in memory; each stands for any number of messages. */
  get entries(): number {
    return this.#open().length;
  }

  add({ afterMs, kind, reason, fix }: Delay, messages = 1): void {
    if (!(afterMs >= LEAST_MS) || this.#ended) return;
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
    if (afterMs > LONG_MS && !this.#timer) this.#tellAt(Math.max(this.#nextLine, now + TOGETHER_MS));
  }

  /** Writes no more lines. */
  end(): void {
    this.#ended = true;
    this.#timer?.();
    this.#timer = undefined;
  }

  #tellAt(ticks: number): void {
    this.#timer = this.#clock.after(Math.max(0, ticks - this.#clock.ticks()), () => {
      this.#timer = undefined;
      this.#tell();
    });
  }

  #tell(): void {
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
    this.#log.warn(facts, 'messages are put off for longer than a minute');
    this.#nextLine = now + MINUTE;
    this.#tellAt(this.#nextLine);
  }

  #count(kind: PutOffKind): number {
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
