import {
  type Block,
  type BlockFault,
  type FaultCode as BlockFaultCode,
  blockKey,
  checkBlock,
  entryKey,
  type Tail,
  tailOf,
} from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import type { Store } from '@blockhub/store';
import { type EntryRead, readEntries } from './entries.ts';
import { nextEntry } from './find.ts';
import type { Fault, FaultCode } from './types.ts';

/** A block of a stretch: as its entry has it, or, without `entry`, as it was found under its id because the entry is no good. */
export interface Seen {
  block: Block;
  entry?: Buffer;
  next: string | null;
  faults: Fault[];
}

export interface Unchecked {
  key: string;
  error: unknown;
}

/** Consecutive heights that were read and linked; `faults` holds those of `seen` too. */
export interface Stretch {
  seen: Seen[];
  faults: Fault[];
  unchecked: Unchecked[];
}

export interface ReaderOptions {
  from: number;
  to: number;
  prefetch: number;
  /** Look behind the first missing height, and at the copies where entries are no good. */
  thorough: boolean;
  /** Each block must name the id of the one before it. */
  next: boolean;
  signal?: AbortSignal | undefined;
}

/** Heights without a good entry. `id` is there where the first line is sound. */
interface BadRun {
  from: number;
  to: number;
  faults: Fault[];
  id?: string;
}

/** A stretch is given to the next stage when it has this many blocks or blobs. */
const STRETCH_BLOCKS = 64;
const STRETCH_BLOBS = 2048;
/** How many blocks in a row are taken from their copies when entries are no good. */
const MEND_MOST = 1000;

/**
 * Reads the entries of a chain in order and links them. An entry that is missing or no good does not end the reading: the block behind it names
 * the id of the one that should be there, so that its copy can take its place, and the block before that, and so on.
 */
export class ChainReader {
  readonly #store: Store;
  readonly #chain: string;
  readonly #options: ReaderOptions;
  /** The block that the next good one must follow; undefined where it is not known. */
  #base: Tail | undefined;
  #tail: Tail | undefined;
  /** A good block that waits to learn what is its next. */
  #held: Seen | undefined;
  #bad: BadRun[] = [];
  #out: Stretch = { seen: [], faults: [], unchecked: [] };
  #blobs = 0;
  #height: number;
  #ended = false;
  /** The height that was read once more. */
  #again = -1;
  #following = false;

  constructor(store: Store, chain: string, options: ReaderOptions) {
    this.#store = store;
    this.#chain = chain;
    this.#options = options;
    this.#height = options.from;
  }

  /** From now on a missing height is the tail; nothing is looked for behind it. */
  follow(): void {
    this.#following = true;
  }

  /** The height that will be read next. */
  get height(): number {
    return this.#height;
  }

  /** The newest good block. */
  get tail(): Tail | undefined {
    return this.#tail;
  }

  /** Gives what there is, up to the first height that has nothing behind it. Can be called again when there may be more. */
  async *stretches(): AsyncGenerator<Stretch> {
    const { to, prefetch, signal } = this.#options;
    while (!this.#ended && this.#height <= to + 1) {
      let jumped = false;
      for await (const reads of readEntries(this.#store, this.#chain, { from: this.#height, to: to + 1, prefetch, signal })) {
        for (const read of reads) {
          jumped = read.bytes ? await this.#accept(read.bytes, read.height) : await this.#jump(read);
          if (this.#out.seen.length >= STRETCH_BLOCKS || this.#blobs >= STRETCH_BLOBS) yield this.#flush();
          if (jumped) break;
        }
        if (this.#out.seen.length + this.#out.faults.length > 0) yield this.#flush();
        if (jumped) break;
      }
      if (!jumped) break;
    }
    yield await this.#finish();
  }

  #flush(): Stretch {
    const out = this.#out;
    this.#out = { seen: [], faults: [], unchecked: [] };
    this.#blobs = 0;
    return out;
  }

  async #finish(): Promise<Stretch> {
    if (this.#bad.length > 0) await this.#mend(undefined);
    if (this.#held) this.#emit(this.#held, null);
    this.#held = undefined;
    this.#ended = false;
    return this.#flush();
  }

  /** A good block is in order behind the one before; anything else is slow. False: go on with the next height. */
  #accept(bytes: Buffer, height: number): boolean | Promise<boolean> {
    const base = this.#bad.length === 0 ? this.#base : undefined;
    const { block, tail, faults } = checkBlock(bytes, this.#expected(height, base?.time));
    if (height > this.#options.to) return this.#lookAhead(faults.length === 0 ? block : undefined);
    this.#height = height + 1;
    if (!block || faults.length > 0) {
      const ours = tail?.chain === this.#chain && tail.height === height;
      this.#bad.push({ from: height, to: height, faults: this.#entryFaults(height, faults), ...(ours ? { id: tail.id } : {}) });
      return false;
    }
    if (this.#bad.length > 0 || (base && !follows(block, base)))
      return this.#mend(block).then(() => this.#push({ block, entry: bytes, next: null, faults: [] }));
    return this.#push({ block, entry: bytes, next: null, faults: [] });
  }

  /** The block behind the last one wanted tells that one's `next`, and whether it is the one that the chain goes on from. */
  async #lookAhead(block: Block | undefined): Promise<boolean> {
    if (block && (this.#bad.length > 0 || (this.#base && !follows(block, this.#base)))) {
      await this.#mend(block, false);
    }
    if (this.#held && block) this.#emit(this.#held, block.id);
    if (block) this.#held = undefined;
    this.#ended = true;
    return true;
  }

  #push(seen: Seen): false {
    if (this.#held) this.#emit(this.#held, this.#held.block.height + 1 === seen.block.height ? seen.block.id : null);
    this.#held = seen;
    this.#base = tailOf(seen.block);
    this.#tail = this.#base;
    return false;
  }

  #emit(seen: Seen, next: string | null): void {
    seen.next = next;
    this.#out.seen.push(seen);
    this.#blobs += seen.block.blobs.length;
  }

  #fault(fault: Fault): Fault {
    this.#out.faults.push(fault);
    return fault;
  }

  /** No bytes at a height: finds the next height that has some, and says whether to read on from there. */
  async #jump({ height, error }: EntryRead): Promise<boolean> {
    this.#ended = true;
    if (height > this.#options.to) return true;
    if (error !== undefined) this.#out.unchecked.push({ key: entryKey(this.#chain, height), error });
    if (error === undefined && (this.#following || !this.#options.thorough)) return true;
    const next = await this.#nextEntry(height);
    if (next === undefined) return true;
    // A chain that grows meanwhile: what was missing is there now. Once: a listing may go on showing what no read finds.
    if (error === undefined && next === height && this.#again !== height) {
      this.#again = height;
      return this.#goOn(height);
    }
    const to = Math.min(Math.max(next - 1, height), this.#options.to);
    this.#bad.push({ from: height, to, faults: error === undefined ? [this.#missing(height, to)] : [] });
    return this.#goOn(to + 1);
  }

  #goOn(height: number): true {
    this.#height = height;
    this.#ended = false;
    return true;
  }

  async #nextEntry(height: number): Promise<number | undefined> {
    try {
      const next = await nextEntry(this.#store, this.#chain, height);
      // A listing is not a moment in time: look again before a height counts as lost.
      return next !== undefined && next > height && (await this.#store.head(entryKey(this.#chain, height))) ? height : next;
    } catch (error) {
      this.#out.unchecked.push({ key: `${entryKey(this.#chain, height)} and all behind it`, error });
      return undefined;
    }
  }

  /**
   * Settles what lies between the last good block and `block`, or the end of what there is: heights without a good entry are filled from
   * copies, as far as their ids are known; then the ends must meet, unless nobody asks for that.
   */
  async #mend(block: Block | undefined, thisBlockCounts = true): Promise<void> {
    const mended: Seen[] = [];
    let id: string | null | undefined = block?.prev;
    for (const run of this.#bad.toReversed()) {
      for (let height = run.to; height >= run.from && mended.length < MEND_MOST; height--) {
        const copy = await this.#copy(id ?? run.id, height, run);
        if (!copy) break;
        mended.unshift({ block: copy, next: null, faults: height === run.from ? run.faults : [] });
        id = copy.prev;
      }
      if (mended.at(0)?.block.height !== run.from) id = undefined;
    }
    for (const run of this.#bad) for (const fault of run.faults) this.#fault(fault);
    if (id === undefined && this.#bad.length > 0) this.#base = undefined;
    else if (this.#options.next && this.#base && id !== undefined && id !== null && (id !== this.#base.id || !this.#bad.length))
      await this.#blame(id, thisBlockCounts ? block : undefined);
    this.#bad = [];
    for (const seen of mended) this.#push(seen);
  }

  /** The block that stands under its id in place of an entry that is no good. */
  async #copy(id: string | undefined, height: number, run: BadRun): Promise<Block | undefined> {
    if (id === undefined || !this.#options.thorough) return undefined;
    const key = blockKey(id);
    try {
      const bytes = await this.#store.find(key);
      const { block, faults } = bytes ? checkBlock(bytes, { ...this.#expected(height), id }) : { faults: [] };
      if (block && faults.length === 0) return block;
      if (!bytes) run.faults.push({ code: 'BLOCK_MISSING', chain: this.#chain, height, id, key, message: `${key} is missing too` });
      for (const { code, message } of faults) run.faults.push({ code, chain: this.#chain, height, id, key, message: `${key} ${message}` });
    } catch (error) {
      this.#out.unchecked.push({ key, error });
    }
    return undefined;
  }

  /** Two good entries that do not belong together: the first is to blame when the block that the second follows exists. */
  async #blame(id: string, block: Block | undefined): Promise<void> {
    const base = this.#base as Tail;
    const copy = await this.#copy(id, base.height, { from: base.height, to: base.height, faults: [] });
    if (copy && id !== base.id) {
      const key = entryKey(this.#chain, base.height);
      const message = `${key} holds block ${base.id}, but the chain goes on from ${id}`;
      const fault = this.#fault({ code: 'ENTRY_CHANGED', chain: this.#chain, height: base.height, id, key, message });
      if (this.#held) {
        this.#held = { block: copy, next: null, faults: [...this.#held.faults, fault] };
        const before = this.#out.seen.at(-1);
        if (before?.block.height === base.height - 1) before.next = id;
      }
      return;
    }
    const height = base.height + 1;
    const key = entryKey(this.#chain, height);
    const message =
      id === base.id ? `${key} follows another block of the same md5` : `${key} follows ${id}, but height ${base.height} is ${base.id}`;
    if (block || this.#bad.length > 0)
      this.#fault({ code: 'LINK_BROKEN', chain: this.#chain, height, ...(block?.height === height ? { id: block.id } : {}), key, message });
  }

  #expected(height: number, minTime?: number): { chain: string; height: number; id?: string; minTime?: number } {
    return { chain: this.#chain, height, ...(height === 0 ? { id: this.#chain } : {}), ...(minTime === undefined ? {} : { minTime }) };
  }

  #entryFaults(height: number, faults: readonly BlockFault[]): Fault[] {
    const key = entryKey(this.#chain, height);
    return faults.map(({ code, message }: { code: BlockFaultCode; message: string }) => ({
      code: code as FaultCode,
      chain: this.#chain,
      height,
      key,
      message: `${key} ${message}`,
    }));
  }

  #missing(from: number, to: number): Fault {
    const key = entryKey(this.#chain, from);
    const many = to > from;
    const message = many ? `heights ${from} to ${to} are missing` : `${key} is missing`;
    return { code: 'ENTRY_MISSING', chain: this.#chain, height: from, ...(many ? { toHeight: to } : {}), key, message };
  }

  /** Throws when nothing at all was read and the chain does not exist. */
  async assertExists(): Promise<void> {
    if (this.#tail || (await this.#store.head(entryKey(this.#chain, 0))) || (await nextEntry(this.#store, this.#chain, 0)) !== undefined)
      return;
    throw new BlockhubError('CHAIN_NOT_FOUND', `no chain has the id ${this.#chain}`, { details: { chain: this.#chain } });
  }
}

const follows = (block: Block, base: Tail): boolean => block.prev === base.id && block.prevSha256 === base.sha256;
