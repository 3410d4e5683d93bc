import type { Outgoing } from '@blockhub/broker';
import { Cache } from '@blockhub/cache';
import { queues } from '@blockhub/message';
import type { Counter, Metrics } from '@blockhub/telemetry';

export interface TakeMeters {
  taken(): void;
  done(messages: number): void;
  retried(messages: number): void;
  rejected(code: string): void;
  /** The number of unsettled deliveries changed by this. */
  held(change: number): void;
  /** A handler succeeded after so long. */
  handled(ms: number): void;
}

/** Queues whose counter is kept. */
const MAX_SERIES = 1000;

/** The metrics of every worker. Dashboards and alerts rely on their names and labels. */
export class Meters {
  readonly #metrics: Metrics;
  readonly #worker: string;
  readonly #published = new Cache<string, Counter>(MAX_SERIES);
  readonly #counterOf: (queue: string) => Counter;

  constructor(metrics: Metrics, worker: string, gives: readonly string[]) {
    this.#metrics = metrics;
    this.#worker = worker;
    const family = metrics.counter('blockhub_published_total', 'Messages published and confirmed.', ['worker', 'queue']);
    this.#counterOf = (queue) => this.#published.getOrMake(queue, () => family.labels({ worker, queue: labelOf(queue, gives) }));
  }

  take(queue: string): TakeMeters {
    const metrics = this.#metrics;
    const labels = { worker: this.#worker, queue };
    const taken = metrics.counter('blockhub_messages_taken_total', 'Messages taken from a queue.', ['worker', 'queue']).labels(labels);
    const acked = metrics.counter('blockhub_messages_done_total', 'Messages handled and acked.', ['worker', 'queue']).labels(labels);
    const again = metrics
      .counter('blockhub_messages_retried_total', 'Messages given back to the broker, to be retried later.', ['worker', 'queue'])
      .labels(labels);
    const held = metrics.gauge('blockhub_held_messages', 'Deliveries that are not settled yet.', ['worker', 'queue']).labels(labels);
    const seconds = metrics
      .histogram('blockhub_handle_seconds', 'Time from passing a message or batch to the handler until it is settled.', ['worker', 'queue'])
      .labels(labels);
    const rejected = metrics.counter('blockhub_messages_rejected_total', 'Messages that became dead letters.', ['worker', 'queue', 'code']);
    return {
      taken: () => taken.add(),
      done: (messages) => acked.add(messages),
      retried: (messages) => again.add(messages),
      rejected: (code) => rejected.labels({ ...labels, code }).add(),
      held: (change) => held.add(change),
      handled: (ms) => seconds.observe(ms / 1000),
    };
  }

  published(messages: readonly Outgoing[]): void {
    let queue = '';
    let count = 0;
    for (const message of messages) {
      if (message.queue !== queue) {
        if (count > 0) this.#counterOf(queue).add(count);
        queue = message.queue;
        count = 0;
      }
      count++;
    }
    if (count > 0) this.#counterOf(queue).add(count);
  }
}

/** The label is the template in `gives`: a queue per chain must not become a series per chain. */
function labelOf(queue: string, gives: readonly string[]): string {
  if (queue === queues.deadLetter.name || gives.includes(queue)) return queue;
  return gives.find((give) => patternOf(give).test(queue)) ?? 'other';
}

const patternOf = (give: string): RegExp =>
  new RegExp(
    `^${give
      .split(/\{[^{}]*\}/)
      .map((text) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
      .join('.+')}$`,
    's',
  );
