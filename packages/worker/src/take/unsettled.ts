import type { Delivery } from '@blockhub/broker';
import { type Message, messageOf } from '@blockhub/message';

/** A message that this worker holds, with every delivery that brought it. */
export interface Held {
  readonly message: Message;
  readonly delivery: Delivery;
  /** Further deliveries of the same message id that came while it waited; they share its fate. */
  twins?: Delivery[];
}

export const hold = (delivery: Delivery): Held => ({ message: messageOf(delivery), delivery });

/** How many deliveries the broker counts for it. */
export const deliveriesOf = (held: Held): number => 1 + (held.twins?.length ?? 0);

export function ack(held: Held): void {
  held.delivery.ack();
  if (held.twins) for (const twin of held.twins) twin.ack();
}

export function retryLater(held: Held, afterMs: number): void {
  held.delivery.retry(afterMs);
  if (held.twins) for (const twin of held.twins) twin.retry(afterMs);
}

export function release(held: Held): void {
  held.delivery.release();
  if (held.twins) for (const twin of held.twins) twin.release();
}
