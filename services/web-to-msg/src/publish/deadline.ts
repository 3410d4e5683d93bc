import type { Clock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';

export type Dependency = 'broker' | 'store' | 'registry' | 'spool';

/**
 * A sender gives up after a few seconds, and must get a true answer before. After `deadline`, in
 * ticks, the outcome is unknown. @throws CAPTURE_UNCONFIRMED, or what the work throws
 */
export const within = <T>(clock: Clock, deadline: number, work: Promise<T>, dependency: Dependency): Promise<T> =>
  before(clock, deadline, work, () => new BlockhubError('CAPTURE_UNCONFIRMED', `The ${dependency} did not answer in time.`));

/** After a pause a process runs its timers first. This lets it read what has arrived. */
const LAST_CHANCE_MS = 10;

/** Waits until `deadline`, in ticks. After it, rejects with the error that `late` gives. */
export function before<T>(clock: Clock, deadline: number, work: Promise<T>, late: () => BlockhubError): Promise<T> {
  return new Promise((resolve, reject) => {
    const left = Math.max(0, deadline - clock.ticks());
    const lastChance = Math.min(left, LAST_CHANCE_MS);
    let cancel = clock.after(left - lastChance, () => {
      cancel = clock.after(lastChance, () => reject(late()));
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
