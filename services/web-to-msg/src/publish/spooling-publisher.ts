import type { Broker, Outgoing } from '@blockhub/broker';
import type { Clock } from '@blockhub/clock';
import { isTransient } from '@blockhub/errors';
import type { Spool } from '../spool/spool.ts';
import { within } from './deadline.ts';
import { type CapturePublisher, isLarge, type KeepBodyFor } from './publisher.ts';

/** Where a request is durable: confirmed by the broker, or synced in the spool. */
export type SafeIn = 'broker' | 'spool';

export interface SpoolingPublisherParts {
  readonly broker: Pick<Broker, 'state'>;
  readonly publisher: CapturePublisher;
  /** If there is no spool, a request that the broker does not take is refused. */
  readonly spool: Spool | undefined;
  readonly clock: Clock;
}

/**
 * While the spool is not empty, new requests are spooled too: they do not wait for a broker that is
 * away, and the events of a sender keep the order of its answers.
 */
export class SpoolingPublisher {
  readonly #parts: SpoolingPublisherParts;

  constructor(parts: SpoolingPublisherParts) {
    this.#parts = parts;
  }

  /**
   * Waits for broker and store until `deadline`, in ticks, then for the disk.
   * @throws the errors of broker and store, CAPTURE_UNCONFIRMED. If there is a spool, SPOOL_FULL
   * and SPOOL_UNAVAILABLE take the place of the transient ones.
   */
  async send(messages: readonly Outgoing[], deadline: number, keepBodyFor: KeepBodyFor): Promise<SafeIn> {
    const { publisher, spool } = this.#parts;
    if (!spool) {
      await publisher.publish(await publisher.store(messages, deadline, keepBodyFor), deadline, keepBodyFor);
      return 'broker';
    }
    const left = await this.#store(spool, messages, deadline, keepBodyFor);
    if (await this.#tryBroker(spool, left, deadline, keepBodyFor)) return 'broker';
    // The broker may have taken them too. They keep their ids, and a chain takes each id once.
    await spool.add(left, keepBodyFor);
    return 'spool';
  }

  /** If the store is away, large bodies stay in their messages. */
  async #store(spool: Spool, messages: readonly Outgoing[], deadline: number, keepBodyFor: KeepBodyFor): Promise<readonly Outgoing[]> {
    const { publisher } = this.#parts;
    if (publisher.storeUnavailable && !spool.isEmpty) return messages;
    return publisher.store(messages, deadline, keepBodyFor).catch((error: unknown) => {
      if (isTransient(error)) return messages;
      throw error;
    });
  }

  /** True when the broker has confirmed the messages; false when they must be spooled. */
  async #tryBroker(spool: Spool, messages: readonly Outgoing[], deadline: number, keepBodyFor: KeepBodyFor): Promise<boolean> {
    const { broker, publisher, clock } = this.#parts;
    try {
      if (spool.handover) await within(clock, deadline, spool.handover, 'spool');
      if (!spool.isEmpty || broker.state !== 'connected' || messages.some(isLarge)) return false;
      await publisher.publish(messages, deadline, keepBodyFor);
      return true;
    } catch (error) {
      if (isTransient(error)) return false;
      throw error;
    }
  }
}
