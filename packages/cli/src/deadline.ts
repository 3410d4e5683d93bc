import { type BlockhubError, isTransient } from '@blockhub/errors';
import { parseDuration } from '@blockhub/settings';
import { oneLine } from './output.ts';
import type { Session } from './session.ts';

const PAUSE_MS = 1_000;

/** The time that the steps of a command may take together, while servers do not answer yet. */
export class Deadline {
  readonly #session: Session;
  readonly #end: number;

  /** @param wait a duration such as `5m`. @throws SETTINGS_INVALID */
  constructor(session: Session, wait: string) {
    this.#session = session;
    this.#end = session.clock.ticks() + parseDuration(wait);
  }

  /**
   * Repeats a step that failed with a transient error, until the time is over. Then it throws the
   * last error. Meanwhile, progress shows what it waits for, such as `the broker`, and why.
   */
  async retry<T>(what: string, attempt: () => Promise<T>): Promise<T> {
    let why = '';
    const trying = async (): Promise<T> => {
      for (;;) {
        try {
          return await attempt();
        } catch (error) {
          if (!isTransient(error)) throw error;
          const { code, message } = error as BlockhubError;
          why = `: ${code}: ${oneLine(message)}`;
          if (!(await this.#pause())) throw error;
        }
      }
    };
    return this.#session.progress().during(trying(), (seconds) => `waiting for ${what}, ${Math.round(seconds)} s${why}`);
  }

  /** Aborts when the command is interrupted, after `maxMs`, and when the time is over. */
  signal(maxMs: number): AbortSignal {
    const leftMs = Math.max(0, this.#end - this.#session.clock.ticks());
    return AbortSignal.any([this.#session.signal, AbortSignal.timeout(Math.ceil(Math.min(maxMs, leftMs)))]);
  }

  /** False if the time is over. */
  async #pause(): Promise<boolean> {
    const { clock, signal } = this.#session;
    if (clock.ticks() + PAUSE_MS > this.#end) return false;
    await clock.sleep(PAUSE_MS, signal);
    signal.throwIfAborted();
    return true;
  }
}
