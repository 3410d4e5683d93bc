import { type Block, type BlockCheck, type BuiltBlock, checkBlock, entryKey, eventTime, type Receipt, type Tail } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import type { Store } from '@blockhub/store';

/*
 * An event created at t can only be in blocks with time ≥ t, because a block's time is at least that of its newest event and never
 * decreases. So whether an event is in the chain up to a tail is known exactly once all blocks of time ≥ t have been looked at. Blocks never
 * change: what was seen once stays true, and a tail that is behind what is known gets the answer that was right for it.
 */

/** Events of one block. */
interface Slab {
  readonly height: number;
  readonly id: string;
  readonly time: number;
  readonly events: readonly string[];
}

/** A block that was not looked into. Its time, or that of the block behind it: an upper bound is enough. */
type Edge = Pick<Slab, 'height' | 'id' | 'time'>;

/** The known blocks of a chain, without a gap, and the edge below the lowest. */
interface Window {
  readonly chain: string;
  edge: Edge;
  readonly slabs: Slab[];
  /** Height of the block that holds an event. */
  readonly heights: Map<string, number>;
  /** The block built last; it belongs to the chain if the next tail is it. */
  proposal: Slab | undefined;
  /** In use: nobody drops it, as it would grow on and count no more. */
  busy: boolean;
}

export interface WindowsOptions {
  /** Events that are remembered, of all chains together. */
  readonly maxEvents: number;
  readonly maxChains: number;
}

/** How much older than the receipts a remembered block may be; messages of about now that are handled again find theirs. */
const SLACK_MS = 5000;
const MOST_AHEAD = 16;

/** Which events the newest blocks of chains hold. Bounded: what does not fit is read again when it is asked for. */
export class Windows {
  readonly #store: Store;
  readonly #options: WindowsOptions;
  /** The one that was not used for longest first. */
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
   * Those of the receipts, unique by event, whose events are in no block up to the tail. Not to be called twice at a time for one chain.
   * Throws CHAIN_DAMAGED where a block that must be there is missing or another one.
   */
  async unseen(tail: Tail, receipts: ReadonlyMap<string, Receipt>): Promise<Receipt[]> {
    const since = oldestTime(receipts);
    try {
      const window = await this.#reach(tail, since);
      const below = await this.#lookBelow(window, tail, since, receipts);
      const unseen: Receipt[] = [];
      for (const [event, receipt] of receipts) {
        const height = window?.heights.get(event);
        if ((height === undefined || height > tail.height) && !below.has(event)) unseen.push(receipt);
      }
      this.#trim(tail.chain, since);
      return unseen;
    } finally {
      const window = this.#windows.get(tail.chain);
      if (window) window.busy = false;
    }
  }

  /** The block that was built behind this tail: should it become the next, it need not be read. */
  propose(tail: Tail, { id, height, time }: BuiltBlock, events: readonly string[]): void {
    const window = this.#windows.get(tail.chain);
    if (!window || top(window).id !== tail.id) return;
    this.#forgetProposal(window);
    window.proposal = { id, height, time, events };
    this.#events += events.length;
  }

  /** The chain's window, with the tail in it or as its edge; undefined when the tail lies below it. */
  async #reach(tail: Tail, since: number): Promise<Window | undefined> {
    const known = this.#windows.get(tail.chain);
    if (!known) return this.#begin(tail);
    this.#windows.delete(tail.chain);
    this.#windows.set(tail.chain, known);
    known.busy = true;
    const { proposal } = known;
    // Any tail of its height or above decides it: later, a tail that comes again may name it, and the window has climbed past it.
    if (proposal && tail.height >= proposal.height) {
      this.#forgetProposal(known);
      if (proposal.id === tail.id) this.#push(known, proposal);
    }
    if (tail.height <= top(known).height) return this.#inside(known, tail);
    return this.#climb(known, tail, since);
  }

  #begin({ chain, height, id, time }: Tail): Window {
    this.#drop(chain);
    const window: Window = { chain, edge: { height, id, time }, slabs: [], heights: new Map(), proposal: undefined, busy: true };
    this.#windows.set(chain, window);
    return window;
  }

  #inside(window: Window, tail: Tail): Window | undefined {
    if (tail.height < window.edge.height) return undefined;
    const there = tail.height === window.edge.height ? window.edge : window.slabs[tail.height - window.edge.height - 1];
    if (there?.id !== tail.id) throw damaged(tail.chain, tail.height, `is ${there?.id}, not ${tail.id}`);
    return window;
  }

  /** Reads what other builders added. Where that is more than `since` asks for, or than can be kept, the window begins anew. */
  async #climb(window: Window, tail: Tail, since: number): Promise<Window> {
    const goal = top(window);
    const read: Block[] = [];
    let events = 0;
    for await (const block of this.#down(tail, goal.height)) {
      read.push(block);
      events += block.blobs.length;
      if (block.height === goal.height + 1) {
        if (block.prev !== goal.id) throw damaged(tail.chain, goal.height, `is ${goal.id}, but ${block.id} follows ${block.prev}`);
        for (const above of read.reverse()) this.#push(window, slabOf(above));
        return window;
      }
      if (block.time < since || events > this.#options.maxEvents) break;
    }
    const begun = this.#begin(tail);
    for (const block of read) this.#unshift(begun, block);
    return begun;
  }

  /** Looks at the blocks below the window that may hold one of the receipts; the window takes in what fits. */
  async #lookBelow(window: Window | undefined, tail: Tail, since: number, receipts: ReadonlyMap<string, Receipt>): Promise<Set<string>> {
    const found = new Set<string>();
    const edge: Edge = window?.edge ?? tail;
    if (edge.time < since) return found;
    let keep = window;
    for await (const block of this.#down({ ...edge, chain: tail.chain }, 0)) {
      if (block.time < since) {
        if (keep) keep.edge = { height: block.height, id: block.id, time: block.time };
        break;
      }
      if (keep && !this.#fits(block.blobs.length)) keep = undefined;
      if (keep) this.#unshift(keep, block);
      else for (const { event } of block.blobs) if (receipts.has(event)) found.add(event);
    }
    return found;
  }

  /** The blocks from a known one down to height `above` + 1, each checked by the id that the one before names. */
  async *#down(from: Edge & { readonly chain: string }, above: number): AsyncGenerator<Block> {
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

  #push(window: Window, slab: Slab): void {
    window.slabs.push(slab);
    this.#remember(window, slab);
  }

  #unshift(window: Window, block: Block): void {
    const slab = slabOf(block);
    window.slabs.unshift(slab);
    window.edge = { height: block.height - 1, id: block.prev ?? '', time: block.time };
    this.#remember(window, slab);
  }

  #remember(window: Window, { events, height }: Slab): void {
    for (const event of events) window.heights.set(event, height);
    this.#events += events.length;
  }

  #forgetProposal(window: Window): void {
    this.#events -= window.proposal?.events.length ?? 0;
    window.proposal = undefined;
  }

  #drop(chain: string): void {
    const window = this.#windows.get(chain);
    if (!window) return;
    this.#events -= window.heights.size + (window.proposal?.events.length ?? 0);
    this.#windows.delete(chain);
  }

  /** True when so many more events can be remembered; other chains make room. */
  #fits(events: number): boolean {
    this.#makeRoom(this.#options.maxEvents - events);
    return this.#events + events <= this.#options.maxEvents;
  }

  #makeRoom(maxEvents: number): void {
    for (const [chain, { busy }] of this.#windows) {
      if (this.#events <= maxEvents && this.#windows.size <= this.#options.maxChains) return;
      if (!busy) this.#drop(chain);
    }
  }

  /** Forgets blocks that are too old to be asked for again, then the oldest ones that are too many. */
  #trim(chain: string, since: number): void {
    this.#makeRoom(this.#options.maxEvents);
    const window = this.#windows.get(chain);
    if (!window) return;
    const { slabs, heights } = window;
    let count = 0;
    let events = this.#events;
    for (const slab of slabs) {
      if (slab.time >= since - SLACK_MS && events <= this.#options.maxEvents) break;
      events -= slab.events.length;
      count++;
    }
    for (const slab of slabs.splice(0, count)) {
      window.edge = { height: slab.height, id: slab.id, time: slab.time };
      for (const event of slab.events) heights.delete(event);
      this.#events -= slab.events.length;
    }
    if (this.#events > this.#options.maxEvents) this.#forgetProposal(window);
  }
}

const top = ({ slabs, edge }: Window): Edge => slabs.at(-1) ?? edge;

const slabOf = ({ height, id, time, blobs }: Block): Slab => ({ height, id, time, events: blobs.map(({ event }) => event) });

/** Time of the oldest event: event ids begin with their time, so they sort by it. */
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
