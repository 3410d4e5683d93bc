import type { Broker, Outgoing } from '@blockhub/broker';
import type { Clock } from '@blockhub/clock';
import { isTransient } from '@blockhub/errors';
import { type Carrier, isLarge, type Keeps } from './carrier.ts';
import type { Spool } from './spool/spool.ts';
import { within } from './within.ts';

/** Where the messages of a request are safe: the broker has confirmed them, or they lie on our disk and go there later. */
export type SafeIn = 'broker' | 'spool';

export interface OutletParts {
  readonly broker: Pick<Broker, 'state'>;
  readonly carrier: Carrier;
  /** Undefined: what the broker does not take is refused. */
  readonly spool: Spool | undefined;
  readonly clock: Clock;
}

/**
 * The way out of capture. Straight to the broker while nothing is spooled. Once it fails, behind what is spooled, so that nobody waits for a broker that
 * is known to be away and the events of a sender stay in the order of its answers.
 */
export class Outlet {
  readonly #parts: OutletParts;

  constructor(parts: OutletParts) {
    this.#parts = parts;
  }

  /**
   * Waits for broker and store until `end`, in ticks, then for the disk. Errors: those of broker and store, CAPTURE_UNCONFIRMED; with a spool SPOOL_FULL and SPOOL_UNAVAILABLE instead of what is transient.
   */
  async send(messages: readonly Outgoing[], end: number, keeps: Keeps): Promise<SafeIn> {
    const { carrier, spool } = this.#parts;
    if (!spool) {
      await carrier.publish(await carrier.store(messages, end, keeps), end, keeps);
      return 'broker';
    }
    const left = await this.#store(spool, messages, end, keeps);
    if (await this.#tryBroker(spool, left, end, keeps)) return 'broker';
    // The broker may have them for all that: they keep their ids, and a chain takes each once.
    await spool.add(left, keeps);
    return 'spool';
  }

  /** Large bodies stay with their messages where the store is away. */
  async #store(spool: Spool, messages: readonly Outgoing[], end: number, keeps: Keeps): Promise<readonly Outgoing[]> {
    const { carrier } = this.#parts;
    if (carrier.storeAway && !spool.isEmpty) return messages;
    return carrier.store(messages, end, keeps).catch((error: unknown) => {
      if (isTransient(error)) return messages;
      throw error;
    });
  }

  /** True when the broker has confirmed; false when the messages must be spooled. */
  async #tryBroker(spool: Spool, messages: readonly Outgoing[], end: number, keeps: Keeps): Promise<boolean> {
    const { broker, carrier, clock } = this.#parts;
    try {
      if (spool.handover) await within(clock, end, spool.handover, 'spool');
      if (!spool.isEmpty || broker.state !== 'connected' || messages.some(isLarge)) return false;
      await carrier.publish(messages, end, keeps);
      return true;
    } catch (error) {
      if (isTransient(error)) return false;
      throw error;
    }
  }
}
