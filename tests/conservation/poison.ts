import { setTimeout as sleep } from 'node:timers/promises';
import type { Broker } from '@blockhub/broker';
import { hashOf } from '@blockhub/chain';
import { systemClock } from '@blockhub/clock';
import { queues, writeIngress } from '@blockhub/message';
import { eventIds, systemRandom } from '@blockhub/worker';

const AGAIN_MS = 500;

/** Messages that no worker can handle. At the end exactly these must be dead letters. */
export class Poison {
  readonly #broker: Broker;
  readonly #chain: string;
  readonly #newEvent = eventIds(systemClock, systemRandom);
  readonly #added = new Set<string>();
  readonly #publishing: Promise<void>[] = [];

  constructor(broker: Broker, chain: string) {
    this.#broker = broker;
    this.#chain = chain;
  }

  get count(): number {
    return this.#added.size;
  }

  /** Publishes a captured body that does not match its hash. */
  add(): void {
    const event = this.#newEvent();
    const body = Buffer.from(`not what ${event} was`);
    const hash = hashOf('sha256', Buffer.from('something else'));
    const capture = { event, chain: this.#chain, createdAt: systemClock.now(), crypt: 'sha256', hash, length: body.length } as const;
    this.#added.add(event);
    this.#publishing.push(this.#publish(writeIngress({ ...capture, meta: {}, body })));
  }

  async #publish(message: ReturnType<typeof writeIngress>): Promise<void> {
    for (;;) {
      try {
        return await this.#broker.publish([message]);
      } catch {
        await sleep(AGAIN_MS);
      }
    }
  }

  /** Resolves when all of them are in their queue. */
  async published(): Promise<void> {
    await Promise.all(this.#publishing);
  }

  /** Poison that is not a dead letter, and dead letters that are not poison. */
  async compare(): Promise<{ missing: string[]; foreign: string[] }> {
    const missing = new Set(this.#added);
    const foreign: string[] = [];
    for await (const { id, meta } of this.#broker.browse(queues.kept.name)) {
      missing.delete(id);
      if (!this.#added.has(id)) foreign.push(`${id} ${meta['dead-code']} ${meta['dead-queue']}: ${meta['dead-message']}`);
    }
    return { missing: [...missing], foreign };
  }
}
