import type { Broker, Outgoing } from '@blockhub/broker';
import type { Clock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';

/**
 * Publishes and waits for the confirms, but no longer than `limitMs`: a sender gives up after a few seconds and must get a truthful answer before.
 * Past it the outcome is unknown, which CAPTURE_UNCONFIRMED says.
 */
export function publishWithin(
  { broker, clock }: { broker: Broker; clock: Clock },
  messages: readonly Outgoing[],
  limitMs: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(limitMs, () =>
      reject(new BlockhubError('CAPTURE_UNCONFIRMED', `The broker did not confirm within ${limitMs} ms.`)),
    );
    broker.publish(messages).then(
      () => {
        cancel();
        resolve();
      },
      (error: unknown) => {
        cancel();
        reject(error);
      },
    );
  });
}
