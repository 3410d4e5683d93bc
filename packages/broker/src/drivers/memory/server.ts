import type { Clock } from '@blockhub/clock';
import type { Random } from '@blockhub/faults';
import type { CountedQueue } from '../../types.ts';
import { type ConnectOptions, MemoryConnection } from './connection.ts';
import { MemoryQueues } from './queues.ts';

export interface MemoryBrokerOptions {
  readonly clock: Clock;
  /** Decides how long a reconnect takes. If it is not set, it is the middle of the range. */
  readonly random?: Random;
}

/** One for all processes of a run. On a VirtualClock the same seed gives the same run. */
export class MemoryBroker {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #queues: MemoryQueues;

  constructor({ clock, random = () => 0.5 }: MemoryBrokerOptions) {
    this.#clock = clock;
    this.#random = random;
    this.#queues = new MemoryQueues(clock);
  }

  connect(options: ConnectOptions = {}): MemoryConnection {
    return new MemoryConnection({ queues: this.#queues, clock: this.#clock, random: this.#random }, options);
  }

  /** All queues, also private ones. */
  info(): CountedQueue[] {
    return [...this.#queues].map((queue) => queue.info());
  }
}
