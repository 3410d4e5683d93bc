import type { Broker } from '@blockhub/broker';
import type { Clock } from '@blockhub/clock';
import type { Registry } from '@blockhub/registry';
import type { SettingsShape, Values } from '@blockhub/settings';
import type { Store } from '@blockhub/store';
import type { Health, Logger, Metrics, Tracing } from '@blockhub/telemetry';
import type { Random } from '../random.ts';

/** What a worker needs from outside. It closes none of it, since many workers may share it. */
export interface StartOptions<Shape extends SettingsShape = SettingsShape> {
  readonly settings: Values<Shape>;
  readonly broker: Broker;
  readonly store?: Store;
  readonly registry?: Registry;
  readonly clock: Clock;
  /** In [0, 1): spreads back-off and makes event ids. `systemRandom` in real processes. */
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly health: Health;
  /** If it is not set, trace contexts travel on, and no spans are recorded. */
  readonly tracing?: Tracing;
  /** Unique among the instances of this worker. By default it is drawn from `random`. */
  readonly instance?: string;
  /** Attempts of a message that fails for unknown reasons. 20 by default. */
  readonly maxAttempts?: number;
  /** The caller has checked the store with `Store.assertSafe`, so it is not probed again. */
  readonly storeIsSafe?: boolean;
  /** Aborts the start. */
  readonly signal?: AbortSignal;
}

/** `failed`: the start ended with an error. Every change is logged. */
export type WorkerState = 'starting' | 'running' | 'draining' | 'stopped' | 'failed';

export interface StopOptions {
  /** How long handlers may go on. What is not settled then goes back to its queues. */
  readonly graceMs: number;
}

export interface RunningWorker {
  readonly state: WorkerState;
  /**
   * Cancels consumers, sends off batches, lets handlers finish, then releases all in reverse order.
   * Never rejects: errors are logged. A second call gives the same promise; a shorter grace counts.
   */
  stop(options: StopOptions): Promise<void>;
  /** Resolves when everything is released. */
  readonly stopped: Promise<void>;
}
