import type { Cancel, Clock } from '@blockhub/clock';
import { deliveriesOf, release, type Unsettled } from './unsettled.ts';

const MINUTE = 60_000;
/** After 30 minutes brokers take back deliveries or connections. A batch may have waited for 10. */
const LONGEST_INVOCATION_MS = 15 * MINUTE;

/** One call of a handler, with those for its halves, until all of its messages are settled. */
export interface Invocation {
  readonly messages: readonly Unsettled[];
  /** In ticks of the clock. */
  readonly startedAt: number;
  /** Its messages were settled or released. What the handler still returns is dropped. */
  readonly over: boolean;
}

interface OpenInvocation extends Invocation {
  over: boolean;
}

export interface InvocationsParts {
  readonly clock: Clock;
  /** Maximum number of messages in handlers. */
  readonly most: number;
  /** While it is true, no invocation starts. */
  paused(): boolean;
  /** Handles and settles. Returns a promise only if it has to wait; never throws or rejects. */
  work(invocation: Invocation): Promise<void> | undefined;
  /** So many deliveries were settled or released. */
  freed(deliveries: number): void;
  /** An invocation took too long, and its messages are released. */
  tooLong(invocation: Invocation): void;
}

/** The invocations of one take: those that run, and those that wait for room or for a pause. */
export class Invocations {
  readonly #parts: InvocationsParts;
  /** In the order of their start. */
  readonly #open = new Set<OpenInvocation>();
  #waiting: (readonly Unsettled[])[] = [];
  #running = 0;
  #ended = false;
  #timer: Cancel | undefined;
  #idle: (() => void) | undefined;

  constructor(parts: InvocationsParts) {
    this.#parts = parts;
  }

  /** Handles the messages now, or as soon as fewer than `most` are in handlers. */
  start(messages: readonly Unsettled[]): void {
    if (this.#ended) this.release(messages);
    else if (this.#parts.paused() || this.#running >= this.#parts.most) this.#waiting.push(messages);
    else this.#invoke(messages);
  }

  /** Starts what waits, as far as the limits allow. */
  resume(): void {
    while (!this.#parts.paused() && this.#running < this.#parts.most) {
      const messages = this.#waiting.shift();
      if (!messages) return;
      this.#invoke(messages);
    }
  }

  release(messages: readonly Unsettled[]): void {
    messages.forEach(release);
    this.#parts.freed(count(messages));
  }

  releaseWaiting(): void {
    for (const messages of this.#waiting.splice(0)) this.release(messages);
  }

  /** Resolves when nothing runs or waits. */
  async idle(): Promise<void> {
    if (this.#open.size > 0 || this.#waiting.length > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  /** Releases everything. From then on no invocation starts. */
  abandon(): void {
    this.#ended = true;
    this.releaseWaiting();
    for (const invocation of this.#open) this.#abandonOne(invocation);
  }

  #invoke(messages: readonly Unsettled[]): void {
    const invocation: OpenInvocation = { messages, startedAt: this.#parts.clock.ticks(), over: false };
    this.#open.add(invocation);
    this.#running += messages.length;
    const result = this.#parts.work(invocation);
    if (result) {
      this.#watch();
      void result.then(() => this.#finish(invocation));
    } else this.#finish(invocation);
  }

  #finish(invocation: OpenInvocation): void {
    if (invocation.over) return;
    this.#close(invocation);
    this.resume();
  }

  #abandonOne(invocation: OpenInvocation): void {
    invocation.messages.forEach(release);
    this.#close(invocation);
  }

  #close(invocation: OpenInvocation): void {
    invocation.over = true;
    this.#open.delete(invocation);
    this.#running -= invocation.messages.length;
    this.#parts.freed(count(invocation.messages));
    if (this.#open.size > 0) return;
    this.#timer?.();
    this.#timer = undefined;
    if (this.#waiting.length === 0) this.#idle?.();
  }

  /** One timer for the oldest invocation. It is not moved when one ends: it then finds nothing. */
  #watch(): void {
    const { clock, tooLong } = this.#parts;
    const [oldest] = this.#open;
    if (this.#timer || !oldest) return;
    this.#timer = clock.after(oldest.startedAt + LONGEST_INVOCATION_MS - clock.ticks(), () => {
      this.#timer = undefined;
      for (const invocation of this.#open) {
        if (invocation.startedAt + LONGEST_INVOCATION_MS > clock.ticks()) break;
        tooLong(invocation);
        this.#abandonOne(invocation);
      }
      this.resume();
      this.#watch();
    });
  }
}

const count = (messages: readonly Unsettled[]): number => messages.reduce((sum, one) => sum + deliveriesOf(one), 0);
