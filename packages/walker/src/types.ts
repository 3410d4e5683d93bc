import type { Block, FaultCode as BlockFaultCode } from '@blockhub/chain';

/**
 * Words of this package:
 * - *entry*: the object `chains/{chain}/{height}.block`. Creating it made its block the next one.
 * - *copy*: the object `blocks/{id}.block`, which holds the same block under its id.
 * - *segment*: consecutive heights that were read and linked.
 * - *gap*: heights without a good entry.
 * - *unlinked block*: a block that has a copy, but whose entry was not read.
 * - *detached block*: an unlinked block that follows the tail.
 * - *skipped object*: one that a search could not read, or that is damaged.
 */

/** How much is checked. Each level also checks everything of the levels before it. */
export const verifyLevels = [
  /** Entries: each holds a block of its chain and height, and times do not decrease. */
  'none',
  /** Entries: each names the id of the one before it. */
  'links',
  /** Copies: each exists and holds the same block as the entry. */
  'blocks',
  /** Blobs: each exists and has the right length and hash. */
  'blobs',
  /** Whole packs, the object of the chain's name, and detached blocks. */
  'full',
] as const;
export type VerifyLevel = (typeof verifyLevels)[number];

type FaultCode =
  | BlockFaultCode
  /** A height that must have an entry has none. */
  | 'ENTRY_MISSING'
  /** The entry holds a block, but not the one that the next height follows. */
  | 'ENTRY_CHANGED'
  /** The block does not name the id of the block before it. */
  | 'LINK_BROKEN'
  /** The copy is missing. */
  | 'BLOCK_MISSING'
  /** A block follows the tail, but has no entry. */
  | 'BLOCK_DETACHED'
  /** The object that should hold the blob is missing. */
  | 'BLOB_MISSING'
  /** The blob's bytes do not have its hash or its length. */
  | 'BLOB_CORRUPT'
  | 'PACK_MISSING'
  /** The pack's bytes do not have the hash in its key. */
  | 'PACK_CORRUPT'
  /** The object of the chain's name is missing. */
  | 'NAME_MISSING'
  /** The object of the chain's name does not hold the chain's root. */
  | 'NAME_CORRUPT';

export interface Fault {
  code: FaultCode;
  chain: string;
  /** Absent if the fault has no height, e.g. that of the chain's name. */
  height?: number;
  /** Last height of a run of missing entries; absent if there is only one. */
  toHeight?: number;
  /** Id of the block, if it is known. */
  id?: string;
  /** Event id of the blob, if the fault is about one. */
  event?: string;
  /** Key of the object that is wrong or missing. */
  key: string;
  message: string;
}

/** A block id or its beginning, a height, a time in ms, or a count from the tail (1: the tail). */
export type Position =
  | { id: string }
  /** `wrong`: why the text is not a whole id, for the error if nothing has the prefix. */
  | { idPrefix: string; wrong?: string }
  | { height: number }
  | { time: number }
  | { fromTail: number };

export interface WalkedBlock extends Block {
  /** Id of the next block; null at the tail. */
  next: string | null;
  faults: Fault[];
  /** Read from its copy, because its entry is missing or bad. Only if faults are reported. */
  fromCopy?: true;
}

/** Blocks that were read together, in order. */
export interface WalkBatch {
  blocks: WalkedBlock[];
  /** All faults of these heights, also of those without a block. */
  faults: Fault[];
  /** What could not be checked because the store gave an error, as `key: code: reason`. */
  unchecked: string[];
}
