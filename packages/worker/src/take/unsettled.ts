import type { Delivery } from '@blockhub/broker';
import { type Message, messageOf } from '@blockhub/message';

/** A message that is not settled yet, with every delivery that brought it. */
export interface Unsettled {
  readonly message: Message;
  readonly delivery: Delivery;
  /** Further deliveries of the same message id, in the same batch. They are settled with it. */
  duplicates?: Delivery[];
}

export const unsettledOf = (delivery: Delivery): Unsettled => ({ message: messageOf(delivery), delivery });

/** How many deliveries the broker counts for it. */
export const deliveriesOf = ({ duplicates }: Unsettled): number => 1 + (duplicates?.length ?? 0);

export const messagesOf = (unsettled: readonly Unsettled[]): Message[] => unsettled.map(({ message }) => message);

const forEachDelivery = ({ delivery, duplicates }: Unsettled, settle: (delivery: Delivery) => void): void => {
  settle(delivery);
  duplicates?.forEach(settle);
};

export const ack = (one: Unsettled): void => forEachDelivery(one, (delivery) => delivery.ack());

export const retryLater = (one: Unsettled, afterMs: number): void => forEachDelivery(one, (delivery) => delivery.retry(afterMs));

export const release = (one: Unsettled): void => forEachDelivery(one, (delivery) => delivery.release());
