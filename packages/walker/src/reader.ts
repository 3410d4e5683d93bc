import { entryKey, type Tail } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import type { Store } from '@blockhub/store';
import { type EntryRead, nextEntry, readEntries } from './entries.ts';
import { Linker, type Segment } from './linker.ts';

export interface ReaderOptions {
  from: number;
  to: number;
  prefetch: number;
  /** Search for entries above a missing height, and read copies in place of bad entries. */
  thorough: boolean;
  /** Each block must name the id of the block before it. */
  checkLinks: boolean;
  signal?: AbortSignal | undefined;
}

type Mode = 'reading' | 'jumped' | 'rereading' | 'ended';

/**
 * Passes the entries of a chain to the linker, in order. A bad or missing one does not end it.
 *
 * | mode        | meaning                                                        |
 * |-------------|----------------------------------------------------------------|
 * | `reading`   | entries are read ahead, in order                               |
 * | `jumped`    | reading starts again at `height`                               |
 * | `rereading` | as `jumped`, but `height` is read a second time                |
 * | `ended`     | the tail or `to` was reached                                   |
 *
 * | transition          | cause                                                                  |
 * |---------------------|------------------------------------------------------------------------|
 * | reading → jumped    | a height cannot be read; the next height with an entry is read after it |
 * | reading → rereading | a height was not found, but a listing or a head shows its entry        |
 * | reading → ended     | `to` + 1 was read, or no entry follows, or none is searched for        |
 * | jumped → reading    | the next read returned                                                 |
 * | rereading → reading | the next read returned; not found again: the height counts as missing  |
 * | ended → reading     | `segments` is called again                                             |
 */
export class ChainReader {
  readonly #store: Store;
  readonly #chain: string;
  readonly #options: ReaderOptions;
  readonly #linker: Linker;
  #mode: Mode = 'reading';
  #height: number;

  constructor(store: Store, chain: string, options: ReaderOptions) {
    this.#store = store;
    this.#chain = chain;
    this.#options = options;
    this.#linker = new Linker(store, chain, options);
    this.#height = options.from;
  }

  /** The height that is read next. */
  get height(): number {
    return this.#height;
  }

  get tail(): Tail | undefined {
    return this.#linker.tail;
  }

  /** To the tail or `to`; can be called again to go on. `live`: a missing height is the tail. */
  async *segments(live = false): AsyncGenerator<Segment> {
    const { to, prefetch, signal } = this.#options;
    const linker = this.#linker;
    this.#mode = 'reading';
    while (this.#mode !== 'ended' && this.#height <= to + 1) {
      for await (const reads of readEntries(this.#store, this.#chain, { from: this.#height, to: to + 1, prefetch, signal })) {
        for (const read of reads) {
          await this.#take(read, live);
          if (linker.isFull) yield linker.takeSegment();
          if (this.#mode !== 'reading') break;
        }
        if (!linker.isEmpty) yield linker.takeSegment();
        if (this.#mode !== 'reading') break;
      }
      if (this.#mode === 'reading') this.#mode = 'ended';
    }
    await linker.finish();
    yield linker.takeSegment();
  }

  #take({ height, bytes, error }: EntryRead, live: boolean): void | Promise<void> {
    const isReread = this.#mode === 'rereading';
    this.#mode = 'reading';
    if (!bytes) return this.#jump(height, error, live, isReread);
    if (height <= this.#options.to) {
      this.#height = height + 1;
      return this.#linker.add(bytes, height);
    }
    this.#mode = 'ended';
    return this.#linker.lookAhead(bytes, height);
  }

  /** Continues at the next height that has an entry, or ends. */
  async #jump(height: number, error: unknown, live: boolean, isReread: boolean): Promise<void> {
    this.#mode = 'ended';
    if (height > this.#options.to) return;
    const isMissing = error === undefined;
    if (!isMissing) this.#linker.addUnchecked({ key: entryKey(this.#chain, height), error });
    else if (live || !this.#options.thorough) return;
    const next = await this.#nextEntry(height);
    if (next === undefined) return;
    // The entry was created meanwhile. It is read only once more, because a listing may be stale.
    if (isMissing && next === height && !isReread) {
      this.#mode = 'rereading';
      return;
    }
    const to = Math.min(Math.max(next - 1, height), this.#options.to);
    this.#linker.addGap(height, to, isMissing);
    this.#height = to + 1;
    this.#mode = 'jumped';
  }

  async #nextEntry(height: number): Promise<number | undefined> {
    try {
      const next = await nextEntry(this.#store, this.#chain, height);
      // A listing may miss an entry that was created while it ran.
      return next !== undefined && next > height && (await this.#store.head(entryKey(this.#chain, height))) ? height : next;
    } catch (error) {
      this.#linker.addUnchecked({ key: `${entryKey(this.#chain, height)} and all behind it`, error });
      return undefined;
    }
  }

  /** @throws CHAIN_NOT_FOUND if nothing was read and the chain has no entries */
  async assertExists(): Promise<void> {
    if (this.tail || (await this.#store.head(entryKey(this.#chain, 0))) || (await nextEntry(this.#store, this.#chain, 0)) !== undefined)
      return;
    throw new BlockhubError('CHAIN_NOT_FOUND', `no chain has the id ${this.#chain}`, { details: { chain: this.#chain } });
  }
}
