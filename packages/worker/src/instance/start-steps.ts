import { type BackOff, backOff } from '@blockhub/clock';
import { type BlockhubError, isTransient } from '@blockhub/errors';
import type { Logger } from '@blockhub/telemetry';
import { causeOf, clean, faultText } from '../error-text.ts';
import type { StartOptions } from './running-worker.ts';

const SECOND = 1000;
/** A step that takes longer is logged, since its server may never answer. */
const SLOW_MS = 10 * SECOND;
const betweenAttempts: BackOff = { firstMs: 100, mostMs: 10 * SECOND };

export interface StartStepsParts extends Pick<StartOptions, 'clock' | 'random' | 'health' | 'signal' | 'store'> {
  readonly log: Logger;
  /** The name of a step's health check. */
  check(step: string): string;
}

/** The steps of a start. Each has a health check and is repeated after a transient error. */
export class StartSteps {
  readonly #parts: StartStepsParts;

  constructor(parts: StartStepsParts, steps: readonly string[]) {
    this.#parts = parts;
    for (const step of steps) parts.health.set(parts.check(step), false, 'not yet');
  }

  async run<T>(step: string, run: () => Promise<T>): Promise<T> {
    const { clock, random, health, signal, log, check } = this.#parts;
    for (let failures = 1; ; failures++) {
      signal?.throwIfAborted();
      const stopWatch = clock.after(SLOW_MS, () => this.#showSlow(step));
      try {
        const value = await run();
        signal?.throwIfAborted();
        health.set(check(step), true);
        log.info({ step }, 'start-up step done');
        return value;
      } catch (error) {
        if (!isTransient(error)) throw error;
        const { code, fix } = error as BlockhubError;
        health.set(check(step), false, faultText(error));
        log.warn({ step, code, reason: causeOf(error), fix, failures }, 'start-up step waits');
      } finally {
        stopWatch();
      }
      await clock.sleep(backOff(failures, betweenAttempts, random), signal);
    }
  }

  #showSlow(step: string): void {
    const { store, health, log, check } = this.#parts;
    const reason = `not done after ${SLOW_MS / SECOND} s`;
    health.set(check(step), false, reason);
    log.warn({ step, reason, ...(step === 'store' && store && { store: clean(store.url) }) }, 'start-up step waits');
  }
}
