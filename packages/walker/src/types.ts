import type { Block, FaultCode as BlockFaultCode, Crypt } from '@blockhub/chain';

/**
 * Words used here:
 * - *entry*: the object at `chains/{chain}/{height}.block`; creating it was what made its block the chain's next.
 * - *copy*: the object at `blocks/{id}.block`, which holds the same block under its id.
 * - *beside*: the second line of both, which says where the blobs lie; it may differ between entry and copy.
 */

/** A chain as its root block tells it. */
export interface ChainRecord {
  id: string;
  name?: string;
  crypt: Crypt;
  settings: { requests?: boolean };
  /** Creation, ms since 1970. */
  time: number;
}

/** How much is checked; each level checks everything the ones before it check. */
export type VerifyLevel =
  /** Entries: blocks of this chain and height, in order of time. */
  | 'none'
  /** Entries: each names the id of the one before it. */
  | 'links'
  /** Copies: there, whole, and the same block. */
  | 'blocks'
  /** Bytes of every blob: there, of the right length, and with the right hash. */
  | 'blobs'
  /** Every pack as a whole against its name, the name of the chain, and blocks that follow the tail without an entry. */
  | 'full';

export type FaultCode =
  | BlockFaultCode
  /** No entry lies at a height that must have one. */
  | 'ENTRY_MISSING'
  /** The entry holds a block, but not the one that the next height follows. */
  | 'ENTRY_CHANGED'
  /** The block does not name the id of the block before it. */
  | 'LINK_BROKEN'
  /** The copy is missing. */
  | 'BLOCK_MISSING'
  /** A block claims to follow the tail, but has no entry. */
  | 'BLOCK_DETACHED'
  /** The object that should hold the blob is missing. */
  | 'BLOB_MISSING'
  /** The blob's bytes do not have its hash or its length. */
  | 'BLOB_CORRUPT'
  | 'PACK_MISSING'
  /** The pack's bytes do not have the hash that is its name. */
  | 'PACK_CORRUPT'
  /** The object that holds the chain's name is missing. */
  | 'NAME_MISSING'
  /** The object that holds the chain's name does not hold the chain's root. */
  | 'NAME_CORRUPT';

/** One thing that is wrong, and where. */
export interface Fault {
  code: FaultCode;
  chain: string;
  /** Absent where no height is concerned, e.g. the chain's name. */
  height?: number;
  /** Last height of a run of missing entries; absent when it is one. */
  toHeight?: number;
  /** Id of the block concerned, where it is known. */
  id?: string;
  /** Event id of the blob concerned. */
  event?: string;
  /** Key of the object that is wrong or missing. */
  key: string;
  message: string;
}

/** A place in a chain: a block id or its beginning, a height, a time in ms, or a count back from the tail (1 is the tail itself). */
export type Position =
  | { id: string }
  /** `wrong`: what to say where no id begins so, because a whole id was meant. */
  | { idPrefix: string; wrong?: string }
  | { height: number }
  | { time: number }
  | { fromTail: number };

/** A block as a walk gives it. */
export interface WalkedBlock extends Block {
  /** Id of the block behind it; null at the tail. */
  next: string | null;
  faults: Fault[];
  /** Read from its copy, because its entry is missing or no good; only where faults are reported. */
  mended?: true;
}

/** Blocks that arrived together, in order. */
export interface WalkBatch {
  blocks: WalkedBlock[];
  /** Every fault of this stretch of the chain, also of heights that gave no block. */
  faults: Fault[];
  /** What could not be checked, because the store did not answer; `key: reason`. */
  unchecked: string[];
}
