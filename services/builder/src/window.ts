import { type Block, type BlockCheck, type BuiltBlock, checkBlock, entryKey, eventTime, type Receipt, type Tail } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import type { Store } from '@blockhub/store';

/*
 * An event created at t can only be in blocks with time ≥ t, because a block's time is at least
 * that of its newest event and never decreases. So once all blocks of time ≥ t have been read, it
 * is certain whether the event is in the chain. Blocks never change, so the result is also right
 * for a tail below the newest known block.
 */

interface KnownBlock {
  readonly height: number;
  readonly id: string;
  readonly time: number;
  readonly events: readonly string[];
}

/** A block that was not read. Its time is an upper bound: it may be that of the block above. */
type BlockRef = Pick<KnownBlock, 'height' | 'id' | 'time'>;

/**
 * The known blocks of a chain, without a gap.
 *
 * | mode      | meaning                                   | next mode, and its cause           |
 * | --------- | ----------------------------------------- | ---------------------------------- |
 * | `reading` | `unseen` uses it, so it cannot be dropped | `idle`: `unseen` returns or throws |
 * | `idle`    | it may be dropped to make room            | `reading`: `unseen`                |
 *
 * A dropped window begins again at the tail of the next `unseen`.
 */
interface Window {
  readonly chain: string;
  /** The block below the lowest known one. */
  floor: BlockRef;
  readonly blocks: KnownBlock[];
  /** Height of the block that holds an event. */
  readonly heights: Map<string, number>;
  /** The block that was built last. The next tail at or above it keeps it or removes it. */
  proposal: KnownBlock | undefined;
  mode: 'idle' | 'reading';
}

export interface WindowsOptions {
  /** Maximum number of remembered events, of all chains together. */
  readonly maxEvents: number;
  readonly maxChains: number;
}

/** How much older than the receipts a remembered block may be: messages may come again soon. */
const SLACK_MS = 5000;
/** Maximum number of blocks that are read at the same time. */
const MOST_AHEAD = 16;

/** The events of the newest blocks of chains. What does not fit the limits is read again. */
export class Windows {
  readonly #store: Store;
  readonly #options: WindowsOptions;
  /** The window that was not used for longest comes first. */
  readonly #windows = new Map<string, Window>();
  #events = 0;

  constructor(store: Store, options: WindowsOptions) {
    this.#store = store;
    this.#options = options;
  }

  /** Events that are remembered now. */
  get size(): number {
    return this.#events;
  }

  /**
   * The receipts, by event, that are in no block up to the tail. It must not run twice at a time
   * for one chain. @throws CHAIN_DAMAGED if a block is missing or not what the block above names
   */
  async unseen(tail: Tail, receipts: ReadonlyMap<string, Receipt>): Promise<Receipt[]> {
    const since = oldestTime(receipts);
    try {
      const window = await this.#reach(tail, since);
      const below = await this.#findBelow(window, tail, since, receipts);
      const unseen: Receipt[] = [];
      for (const [event, receipt] of receipts) {
        const height = window?.heights.get(event);
        if ((height === undefined || height > tail.height) && !below.has(event)) unseen.push(receipt);
      }
      this.#trim(tail.chain, since);
      return unseen;
    } finally {
      const window = this.#windows.get(tail.chain);
      if (window) window.mode = 'idle';
    }
  }

  /** Records the block that was built on this tail. If it becomes the tail, it need not be read. */
  propose(tail: Tail, { id, height, time }: BuiltBlock, events: readonly string[]): void {
    const window = this.#windows.get(tail.chain);
    if (!window || top(window).id !== tail.id) return;
    this.#removeProposal(window);
    window.proposal = { id, height, time, events };
    this.#events += events.length;
  }

  /** The window, with the tail as a block or the floor. Undefined if the tail is below it. */
  async #reach(tail: Tail, since: number): Promise<Window | undefined> {
    const known = this.#windows.get(tail.chain);
    if (!known) return this.#begin(tail);
    this.#windows.delete(tail.chain);
    this.#windows.set(tail.chain, known);
    known.mode = 'reading';
    const { proposal } = known;
    // Decided now: later the window may have blocks above a repeated tail that names it.
    if (proposal && tail.height >= proposal.height) {
      this.#removeProposal(known);
      if (proposal.id === tail.id) this.#push(known, proposal);
    }
    if (tail.height <= top(known).height) return this.#inside(known, tail);
    return this.#climb(known, tail, since);
  }

  #begin({ chain, height, id, time }: Tail): Window {
    this.#drop(chain);
    const window: Window = { chain, floor: { height, id, time }, blocks: [], heights: new Map(), proposal: undefined, mode: 'reading' };
    this.#windows.set(chain, window);
    return window;
  }

  #inside(window: Window, tail: Tail): Window | undefined {
    if (tail.height < window.floor.height) return undefined;
    const there = tail.height === window.floor.height ? window.floor : window.blocks[tail.height - window.floor.height - 1];
    if (there?.id !== tail.id) throw damaged(tail.chain, tail.height, `is ${there?.id}, not ${tail.id}`);
    return window;
  }

  /** Reads the blocks that others added. If not all are needed or fit, the window begins again. */
  async #climb(window: Window, tail: Tail, since: number): Promise<Window> {
    const goal = top(window);
    const read: Block[] = [];
    let events = 0;
    for await (const block of this.#down(tail, goal.height)) {
      read.push(block);
      events += block.blobs.length;
      if (block.height === goal.height + 1) {
        if (block.prev !== goal.id) throw damaged(tail.chain, goal.height, `is ${goal.id}, but ${block.id} follows ${block.prev}`);
        for (const above of read.reverse()) this.#push(window, knownOf(above));
        return window;
      }
      if (block.time < since || events > this.#options.maxEvents) break;
    }
    const begun = this.#begin(tail);
    for (const block of read) this.#unshift(begun, block);
    return begun;
  }

  /** Finds receipts in the blocks below the window. The window keeps the blocks that fit. */
  async #findBelow(window: Window | undefined, tail: Tail, since: number, receipts: ReadonlyMap<string, Receipt>): Promise<Set<string>> {
    const found = new Set<string>();
    const floor: BlockRef = window?.floor ?? tail;
    if (floor.time < since) return found;
    let keep = window;
    for await (const block of this.#down({ ...floor, chain: tail.chain }, 0)) {
      if (block.time < since) {
        if (keep) keep.floor = { height: block.height, id: block.id, time: block.time };
        break;
      }
      if (keep && !this.#fits(block.blobs.length)) keep = undefined;
      if (keep) this.#unshift(keep, block);
      else for (const { event } of block.blobs) if (receipts.has(event)) found.add(event);
    }
    return found;
  }

  /** The blocks from a known one down to `above` + 1, each checked by the id in the one above. */
  async *#down(from: BlockRef & { readonly chain: string }, above: number): AsyncGenerator<Block> {
    const { chain } = from;
    let id = from.id;
    let ahead = 1;
    for (let height = from.height; height > above; ) {
      const count = Math.min(ahead, height - above);
      const heights = Array.from({ length: count }, (_, at) => height - at);
      const bytes = await Promise.all(heights.map((at) => this.#store.find(entryKey(chain, at))));
      for (const [at, entry] of bytes.entries()) {
        const block = readEntry(chain, height - at, id, entry);
        id = block.prev ?? '';
        yield block;
      }
      height -= count;
      ahead = Math.min(MOST_AHEAD, ahead * 2);
    }
  }

  #push(window: Window, block: KnownBlock): void {
    window.blocks.push(block);
    this.#addEvents(window, block);
  }

  #unshift(window: Window, block: Block): void {
    const known = knownOf(block);
    window.blocks.unshift(known);
    window.floor = { height: block.height - 1, id: block.prev ?? '', time: block.time };
    this.#addEvents(window, known);
  }

  #addEvents(window: Window, { events, height }: KnownBlock): void {
    for (const event of events) window.heights.set(event, height);
    this.#events += events.length;
  }

  #removeProposal(window: Window): void {
    this.#events -= window.proposal?.events.length ?? 0;
    window.proposal = undefined;
  }

  #drop(chain: string): void {
    const window = this.#windows.get(chain);
    if (!window) return;
    this.#events -= window.heights.size + (window.proposal?.events.length ?? 0);
    this.#windows.delete(chain);
  }

  /** True if so many more events fit, after idle windows were dropped. */
  #fits(events: number): boolean {
    this.#makeRoom(this.#options.maxEvents - events);
    return this.#events + events <= this.#options.maxEvents;
  }

  #makeRoom(maxEvents: number): void {
    for (const [chain, { mode }] of this.#windows) {
      if (this.#events <= maxEvents && this.#windows.size <= this.#options.maxChains) return;
      if (mode === 'idle') this.#drop(chain);
    }
  }

  /** Removes blocks that are too old to be needed again, then the oldest ones that do not fit. */
  #trim(chain: string, since: number): void {
    this.#makeRoom(this.#options.maxEvents);
    const window = this.#windows.get(chain);
    if (!window) return;
    const { blocks, heights } = window;
    let count = 0;
    let events = this.#events;
    for (const block of blocks) {
      if (block.time >= since - SLACK_MS && events <= this.#options.maxEvents) break;
      events -= block.events.length;
      count++;
    }
    for (const block of blocks.splice(0, count)) {
      window.floor = { height: block.height, id: block.id, time: block.time };
      for (const event of block.events) heights.delete(event);
      this.#events -= block.events.length;
    }
    if (this.#events > this.#options.maxEvents) this.#removeProposal(window);
  }
}

const top = ({ blocks, floor }: Window): BlockRef => blocks.at(-1) ?? floor;

const knownOf = ({ height, id, time, blobs }: Block): KnownBlock => ({ height, id, time, events: blobs.map(({ event }) => event) });

/** Time of the oldest event. Event ids begin with their time, so they sort by it. */
function oldestTime(receipts: ReadonlyMap<string, Receipt>): number {
  let oldest: string | undefined;
  for (const event of receipts.keys()) if (oldest === undefined || event < oldest) oldest = event;
  return oldest === undefined ? Number.POSITIVE_INFINITY : eventTime(oldest);
}

function readEntry(chain: string, height: number, id: string, bytes: Buffer | undefined): Block {
  if (!bytes) throw damaged(chain, height, 'is missing');
  const { block, faults }: BlockCheck = checkBlock(bytes, { id, chain, height });
  const [fault] = faults;
  if (fault || !block) throw damaged(chain, height, fault?.message ?? 'is not a block');
  return block;
}

function damaged(chain: string, height: number, what: string): BlockhubError {
  const key = entryKey(chain, height);
  return new BlockhubError('CHAIN_DAMAGED', `${key} ${what}`, { details: { chain, height, key } });
}
