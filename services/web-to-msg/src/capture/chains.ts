import { Cache } from '@blockhub/cache';
import { chainText, readChain } from '@blockhub/chain';
import type { Clock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import type { ChainRecord, Registry } from '@blockhub/registry';
import type { Store } from '@blockhub/store';
import { findChain } from '@blockhub/walker';

const REMEMBERED = 20_000;
const UNKNOWN_FOR_MS = 250;
const UNKNOWN_REMEMBERED = 1000;

/**
 * Finds chains in memory, then in the registry, then in the store, which decides. Chains never
 * change. A missing one is cached for a moment, so that invented names do not load the store.
 */
export class Chains {
  readonly #registry: Registry;
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #known = new Cache<string, ChainRecord>(REMEMBERED);
  readonly #unknownUntil = new Cache<string, number>(UNKNOWN_REMEMBERED);
  readonly #asked = new Map<string, Promise<ChainRecord>>();

  constructor(registry: Registry, store: Store, clock: Clock) {
    this.#registry = registry;
    this.#store = store;
    this.#clock = clock;
  }

  /** The chain, if it is in memory. An id may have any spelling that `readChain` accepts. */
  peek(nameOrId: string): ChainRecord | undefined {
    return this.#known.get(nameOrId) ?? this.#known.get(chainText(nameOrId));
  }

  /** @throws CHAIN_NOT_FOUND; REQUEST_INVALID for a malformed id; the store's error */
  get(text: string): Promise<ChainRecord> {
    // One form for all spellings, or each would be looked up and cached.
    const nameOrId = chainText(text);
    const asked = this.#asked.get(nameOrId);
    if (asked) return asked;
    const answer = this.#look(nameOrId).finally(() => this.#asked.delete(nameOrId));
    this.#asked.set(nameOrId, answer);
    return answer;
  }

  async #look(nameOrId: string): Promise<ChainRecord> {
    if ((this.#unknownUntil.get(nameOrId) ?? 0) > this.#clock.ticks()) throw notFound(nameOrId);
    // The registry only saves requests to the store, so its errors do not matter here.
    let record = await this.#registry.findChain(nameOrId).catch(() => undefined);
    if (!record) {
      record = await findChain(this.#store, nameOrId);
      if (record) this.#registry.putChain(record).catch(() => {});
    }
    if (!record) {
      this.#unknownUntil.set(nameOrId, this.#clock.ticks() + UNKNOWN_FOR_MS);
      throw notFound(nameOrId);
    }
    this.#known.set(nameOrId, record);
    return record;
  }
}

/** A malformed id gets an error of its own, because the sender must correct it. */
function notFound(nameOrId: string): BlockhubError {
  const details = { chain: nameOrId };
  const { name, wrong } = readChain(nameOrId);
  if (wrong === undefined) return new BlockhubError('CHAIN_NOT_FOUND', `There is no chain "${nameOrId}".`, { details });
  const what =
    name === undefined ? `"${nameOrId}" is not the id of a chain: it ${wrong}.` : `There is no chain "${nameOrId}"; as an id it ${wrong}.`;
  return new BlockhubError('REQUEST_INVALID', what, { details });
}
