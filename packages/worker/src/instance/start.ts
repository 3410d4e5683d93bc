import type { Broker } from '@blockhub/broker';
import type { Clock } from '@blockhub/clock';
import type { Registry } from '@blockhub/registry';
import type { SettingsShape, Values } from '@blockhub/settings';
import type { Store } from '@blockhub/store';
import type { Health, Logger, Metrics, Tracing } from '@blockhub/telemetry';
import type { Random } from '../random.ts';
import type { Worker } from '../types.ts';
import { Running } from './instance.ts';

/** What a worker needs from outside. Nothing of it is closed when the worker stops: whoever opened it may share it among many. */
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
  /** Absent: trace contexts travel on, and nothing is recorded. */
  readonly tracing?: Tracing;
  /** Unique among the instances of this worker; drawn from `random` when absent. */
  readonly instance?: string;
  /** Tries of a message that fails for unknown reasons until it becomes a dead letter. 20 by default. */
  readonly maxAttempts?: number;
  /** The caller knows that the store is safe (`Store.assertSafe`), so it is not probed again. */
  readonly storeIsSafe?: boolean;
  /** Gives up starting. */
  readonly signal?: AbortSignal;
}

/** `failed`: the start ended with an error. Every change is logged. */
export type WorkerState = 'starting' | 'running' | 'draining' | 'stopped' | 'failed';

export interface StopOptions {
  /** How long handlers may go on; what is still held then goes back to its queues. */
  readonly graceMs: number;
}

export interface RunningWorker {
  readonly state: WorkerState;
  /**
   * Takes nothing more, flushes batches, lets handlers finish, then releases everything in reverse order. Never rejects: what fails is logged.
   * Again, it gives the same promise, and a shorter grace counts.
   */
  stop(options: StopOptions): Promise<void>;
  /** Resolves when everything is released. */
  readonly stopped: Promise<void>;
}

/**
 * Starts a worker on parts that the caller opened; resolves when it runs. On a VirtualClock and seeded randomness it is a function of its
 * seed. Broker or store being away is waited for; all other errors are thrown after everything was released: STORE_UNSAFE, the errors of `setup`
 * and `serve`, the reason of `signal`.
 */
export async function startWorker<Shape extends SettingsShape, State>(
  worker: Worker<Shape, State>,
  options: StartOptions<Shape>,
): Promise<RunningWorker> {
  const running = new Running(worker, options);
  await running.start();
  return running;
}
