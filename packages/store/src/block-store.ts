import type { Store } from './store.ts';

/** The object keys of blocks; this package knows no names of its own. */
export interface BlockKeys {
  /** Where the block of an id lies. */
  readonly block: (id: string) => string;
  /** Where the entry of a chain's height lies. */
  readonly entry: (chain: string, height: number) => string;
}

const GALLOP = 16;

/** Blocks by id and by height. Heights of a chain are written once and without gaps, so the tail is found by halving. */
export class BlockStore {
  readonly #store: Store;
  readonly #keys: BlockKeys;

  constructor(store: Store, keys: BlockKeys) {
    this.#store = store;
    this.#keys = keys;
  }

  /** @throws OBJECT_MISSING */
  get(id: string): Promise<Buffer> {
    return this.#store.get(this.#keys.block(id));
  }

  create(id: string, bytes: Uint8Array): Promise<'created' | 'exists'> {
    return this.#store.create(this.#keys.block(id), bytes);
  }

  /** The only point of decision of a chain: `exists` means that a block lies at this height already, which may be the same one. */
  setNext(chain: string, height: number, bytes: Uint8Array): Promise<'created' | 'exists'> {
    return this.#store.create(this.#keys.entry(chain, height), bytes);
  }

  at(chain: string, height: number): Promise<Buffer | undefined> {
    return this.#store.find(this.#keys.entry(chain, height));
  }

  async head(chain: string, height: number): Promise<boolean> {
    return (await this.#store.head(this.#keys.entry(chain, height))) !== undefined;
  }

  /**
   * The highest entry, or undefined without an entry at height 0. A hint at the tail costs 3 requests, none at 1,000,000 heights 28;
   * a hint that is wrong costs requests, never the answer.
   */
  async tail(chain: string, hint = 0): Promise<{ height: number; bytes: Buffer } | undefined> {
    let low = 0;
    let above = Number.POSITIVE_INFINITY;
    if (hint > 0 && (await this.head(chain, hint))) low = hint;
    else if (!(await this.head(chain, 0))) return undefined;
    else if (hint > 0) above = hint;

    for (let step = 1; low + step < above; step *= GALLOP) {
      if (await this.head(chain, low + step)) low += step;
      else above = low + step;
    }
    while (above - low > 1) {
      const middle = Math.floor((low + above) / 2);
      if (await this.head(chain, middle)) low = middle;
      else above = middle;
    }
    return { height: low, bytes: await this.#store.get(this.#keys.entry(chain, low)) };
  }
}
