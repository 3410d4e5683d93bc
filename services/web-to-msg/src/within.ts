import type { Clock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';

/**
/**
 * Waits for broker, store or spool, but no longer than until `end`, in ticks: a sender gives up after a few seconds and must get a truthful answer
 * before. Past it the outcome is unknown, which CAPTURE_UNCONFIRMED says.
 */
export function within<T>(clock: Clock, end: number, work: Promise<T>, who: 'broker' | 'store' | 'spool'): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(Math.max(0, end - clock.ticks()), () =>
      reject(new BlockhubError('CAPTURE_UNCONFIRMED', `The ${who} did not answer in time.`)),
    );
    work.then(
      (result) => {
        cancel();
        resolve(result);
      },
      (error: unknown) => {
        cancel();
        reject(error);
      },
    );
  });
}
