import type { Clock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';

export type Waited = 'broker' | 'store' | 'registry' | 'spool';

/**
 * Waits for one of them, but no longer than until `end`, in ticks: a sender gives up after a few seconds and must get a truthful answer before.
 * Past it the outcome is unknown, which CAPTURE_UNCONFIRMED says.
 */
export const within = <T>(clock: Clock, end: number, work: Promise<T>, who: Waited): Promise<T> =>
  before(clock, end, work, () => new BlockhubError('CAPTURE_UNCONFIRMED', `The ${who} did not answer in time.`));

/** A process that stood still runs its timers before it sees what came meanwhile: time to see it, out of that which is allowed. */
const LAST_LOOK_MS = 10;

/** Waits until `end`, in ticks; past it rejects with what `late` gives. */
export function before<T>(clock: Clock, end: number, work: Promise<T>, late: () => BlockhubError): Promise<T> {
  return new Promise((resolve, reject) => {
    const left = Math.max(0, end - clock.ticks());
    // Where less is left, the look takes no more than that: waits follow each other, and the sender waits for all of them.
    const look = Math.min(left, LAST_LOOK_MS);
    let cancel = clock.after(left - look, () => {
      cancel = clock.after(look, () => reject(late()));
    });
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
