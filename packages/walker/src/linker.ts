import { type Block, type BlockFault, blockKey, checkBlock, entryKey, type Tail, tailOf } from '@blockhub/chain';
import type { Store } from '@blockhub/store';
import type { Fault } from './types.ts';
import type { Unchecked } from './unchecked.ts';

/** `entry` has the bytes of the block's entry; absent if only its copy could be read. */
export interface LinkedBlock {
  block: Block;
  entry?: Buffer;
  next: string | null;
  faults: Fault[];
}

/** Consecutive heights that were read and linked. `faults` includes those of `blocks`. */
export interface Segment {
  blocks: LinkedBlock[];
  faults: Fault[];
  unchecked: Unchecked[];
}

export interface LinkerOptions {
  /** Read copies in place of bad entries. */
  thorough: boolean;
  /** Each block must name the id of the block before it. */
  checkLinks: boolean;
}

/** Heights without a good entry. `id` is the block's id, if its first line is sound. */
interface Gap {
  from: number;
  to: number;
  faults: Fault[];
  id?: string;
}

/** A segment is full when it has this many blocks or blobs. */
const SEGMENT_BLOCKS = 64;
const SEGMENT_BLOBS = 2048;
/** Maximum number of consecutive blocks that are read from their copies. */
const MAX_COPIES = 1000;

/**
 * Links the blocks of a chain, in order of height. The block above a gap names the id of the block
 * that belongs below it. Its copy fills the gap from above, and so on downwards.
 */
export class Linker {
  readonly #store: Store;
  readonly #chain: string;
  readonly #options: LinkerOptions;
  /** The block that the next good one must follow; undefined if it is not known. */
  #previous: Tail | undefined;
  #tail: Tail | undefined;
  /** The newest good block, kept until the id of its next block is known. */
  #pending: LinkedBlock | undefined;
  /** Heights above `#previous` that have no good entry. */
  #gaps: Gap[] = [];
  #segment: Segment = { blocks: [], faults: [], unchecked: [] };
  #blobs = 0;

  constructor(store: Store, chain: string, options: LinkerOptions) {
    this.#store = store;
    this.#chain = chain;
    this.#options = options;
  }

  get tail(): Tail | undefined {
    return this.#tail;
  }

  get isFull(): boolean {
    return this.#segment.blocks.length >= SEGMENT_BLOCKS || this.#blobs >= SEGMENT_BLOBS;
  }

  get isEmpty(): boolean {
    return this.#segment.blocks.length + this.#segment.faults.length === 0;
  }

  takeSegment(): Segment {
    const segment = this.#segment;
    this.#segment = { blocks: [], faults: [], unchecked: [] };
    this.#blobs = 0;
    return segment;
  }

  addUnchecked(unchecked: Unchecked): void {
    this.#segment.unchecked.push(unchecked);
  }

  /** Heights without an entry. If `isMissing` is false, their entries could not be read. */
  addGap(from: number, to: number, isMissing: boolean): void {
    this.#gaps.push({ from, to, faults: isMissing ? [this.#missing(from, to)] : [] });
  }

  add(bytes: Buffer, height: number): void | Promise<void> {
    const { block, tail, faults } = this.#check(bytes, height);
    if (!block || faults.length > 0) {
      const isOurs = tail?.chain === this.#chain && tail.height === height;
      this.#gaps.push({ from: height, to: height, faults: this.#entryFaults(height, faults), ...(isOurs ? { id: tail.id } : {}) });
      return;
    }
    const linked = { block, entry: bytes, next: null, faults: [] };
    if (this.#isNext(block)) this.#push(linked);
    else return this.#settle(block, block).then(() => this.#push(linked));
  }

  /** The entry above the last height wanted. It is not given, but it names the id below it. */
  async lookAhead(bytes: Buffer, height: number): Promise<void> {
    const { block, faults } = this.#check(bytes, height);
    if (!block || faults.length > 0) return;
    if (!this.#isNext(block)) await this.#settle(block, undefined);
    if (this.#pending) this.#emit(this.#pending, block.id);
    this.#pending = undefined;
  }

  /** No further height is read for now. */
  async finish(): Promise<void> {
    if (this.#gaps.length > 0) await this.#settle(undefined, undefined);
    if (this.#pending) this.#emit(this.#pending, null);
    this.#pending = undefined;
  }

  #check(bytes: Buffer, height: number): ReturnType<typeof checkBlock> {
    return checkBlock(bytes, this.#expected(height, this.#gaps.length === 0 ? this.#previous?.time : undefined));
  }

  #isNext({ prev, prevSha256 }: Block): boolean {
    const previous = this.#previous;
    return this.#gaps.length === 0 && (!previous || (prev === previous.id && prevSha256 === previous.sha256));
  }

  #push(linked: LinkedBlock): void {
    const { block } = linked;
    if (this.#pending) this.#emit(this.#pending, this.#pending.block.height + 1 === block.height ? block.id : null);
    this.#pending = linked;
    this.#previous = tailOf(block);
    this.#tail = this.#previous;
  }

  #emit(linked: LinkedBlock, next: string | null): void {
    linked.next = next;
    this.#segment.blocks.push(linked);
    this.#blobs += linked.block.blobs.length;
  }

  #addFault(fault: Fault): Fault {
    this.#segment.faults.push(fault);
    return fault;
  }

  /**
   * Fills the gaps below `above` from copies, as far as their ids are known. If all are filled, the
   * lowest must follow the block below.
   * @param above undefined at the end of the chain
   * @param given `above` if it is given to the caller; undefined if it was only looked at
   */
  async #settle(above: Block | undefined, given: Block | undefined): Promise<void> {
    const copies: LinkedBlock[] = [];
    let id: string | null | undefined = above?.prev;
    for (const gap of this.#gaps.toReversed()) {
      for (let height = gap.to; height >= gap.from && copies.length < MAX_COPIES; height--) {
        const copy = await this.#readCopy(id ?? gap.id, height, gap.faults);
        if (!copy) break;
        copies.unshift({ block: copy, next: null, faults: height === gap.from ? gap.faults : [] });
        id = copy.prev;
      }
      if (copies.at(0)?.block.height !== gap.from) id = undefined;
    }
    for (const { faults } of this.#gaps) for (const fault of faults) this.#addFault(fault);
    const hadGaps = this.#gaps.length > 0;
    const previous = this.#previous;
    if (id === undefined && hadGaps) this.#previous = undefined;
    else if (this.#options.checkLinks && previous && typeof id === 'string' && (id !== previous.id || !hadGaps))
      await this.#reportBrokenLink(id, previous, given);
    this.#gaps = [];
    for (const copy of copies) this.#push(copy);
  }

  /** The block from the copy under this id. What is wrong with the copy is added to `faults`. */
  async #readCopy(id: string | undefined, height: number, faults: Fault[]): Promise<Block | undefined> {
    if (id === undefined || !this.#options.thorough) return undefined;
    const key = blockKey(id);
    const at = { chain: this.#chain, height, id, key };
    try {
      const bytes = await this.#store.find(key);
      const copy = bytes ? checkBlock(bytes, { ...this.#expected(height), id }) : { faults: [] };
      if (copy.block && copy.faults.length === 0) return copy.block;
      if (!bytes) faults.push({ code: 'BLOCK_MISSING', ...at, message: `${key} is missing too` });
      for (const { code, message } of copy.faults) faults.push({ code, ...at, message: `${key} ${message}` });
    } catch (error) {
      this.addUnchecked({ key, error });
    }
    return undefined;
  }

  /** The lower of two entries is wrong if the block that the upper one follows exists. */
  async #reportBrokenLink(id: string, previous: Tail, given: Block | undefined): Promise<void> {
    const { height } = previous;
    const copy = await this.#readCopy(id, height, []);
    if (copy && id !== previous.id) {
      const key = entryKey(this.#chain, height);
      const message = `${key} holds block ${previous.id}, but the chain goes on from ${id}`;
      const fault = this.#addFault({ code: 'ENTRY_CHANGED', chain: this.#chain, height, id, key, message });
      if (!this.#pending) return;
      this.#pending = { block: copy, next: null, faults: [...this.#pending.faults, fault] };
      const before = this.#segment.blocks.at(-1);
      if (before?.block.height === height - 1) before.next = id;
      return;
    }
    if (!given && this.#gaps.length === 0) return;
    const above = height + 1;
    const key = entryKey(this.#chain, above);
    const message =
      id === previous.id ? `${key} follows another block of the same md5` : `${key} follows ${id}, but height ${height} is ${previous.id}`;
    const ofBlock = given?.height === above ? { id: given.id } : {};
    this.#addFault({ code: 'LINK_BROKEN', chain: this.#chain, height: above, ...ofBlock, key, message });
  }

  #expected(height: number, minTime?: number): { chain: string; height: number; id?: string; minTime?: number } {
    return { chain: this.#chain, height, ...(height === 0 ? { id: this.#chain } : {}), ...(minTime === undefined ? {} : { minTime }) };
  }

  #entryFaults(height: number, faults: readonly BlockFault[]): Fault[] {
    const key = entryKey(this.#chain, height);
    return faults.map(({ code, message }) => ({ code, chain: this.#chain, height, key, message: `${key} ${message}` }));
  }

  #missing(from: number, to: number): Fault {
    const key = entryKey(this.#chain, from);
    const many = to > from;
    const message = many ? `heights ${from} to ${to} are missing` : `${key} is missing`;
    return { code: 'ENTRY_MISSING', chain: this.#chain, height: from, ...(many ? { toHeight: to } : {}), key, message };
  }
}
