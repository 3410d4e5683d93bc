/** Stops a timer. A second call, or a call after the timer ran, does nothing. */
export type Cancel = () => void;

/** Time as a value, so that tests control it. All times are milliseconds. */
export interface Clock {
  /**
   * The time of day: milliseconds since 1970, an integer. People and NTP set it forward and back,
   * so it says when something was, never how long it took.
   */
  now(): number;
  /**
   * Milliseconds since some moment, with fractions. They only increase, even if the time of day is
   * set back. So code that waits uses their difference. They mean nothing in another process, so
   * they are never stored or sent.
   */
  ticks(): number;
  after(ms: number, run: () => void): Cancel;
  /** Resolves after `ms`, or early, without an error, when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** `sleep` by means of `after`, the same for every clock. */
export function sleepOn(clock: Pick<Clock, 'after'>, ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener('abort', wake);
      resolve();
    });
    const wake = (): void => {
      cancel();
      resolve();
    };
    signal?.addEventListener('abort', wake, { once: true });
  });
}

/** A longer timer would run at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  ticks: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, Math.min(ms, LONGEST_TIMER_MS));
    return () => clearTimeout(timer);
  },
  sleep: (ms, signal) => sleepOn(systemClock, ms, signal),
};
