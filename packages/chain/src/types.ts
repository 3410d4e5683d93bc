/**
 * The words of a chain:
 * - blob: captured bytes, named by their hash
 * - item: what a block's id commits to about one blob
 * - receipt: an item, where its bytes are, and descriptive meta
 * - block: an ordered list of receipts behind `prev`; root: height 0; tail: the newest block
 * - event id: a UUIDv7 given at capture; the identity of "this happened"
 */

/** Hash function. md5 serves old readers and detects only accidents, so a sha256 is beside it. */
export type Crypt = 'sha256' | 'md5';

export type MetaValue = string | number | boolean;

/**
 * Flat and descriptive only (mime, subject, source, about, …). Never `event`, `crypt`, `hash`,
 * `length`, `chain` or `createdAt`.
 */
export type Meta = Record<string, MetaValue>;

/** What a block's id commits to about one blob. */
export interface BlobItem {
  /** UUIDv7, lower case. */
  event: string;
  crypt: Crypt;
  /** Lower-case hex of `crypt` over the blob's bytes. */
  hash: string;
  /** Bytes. */
  length: number;
  /** There if, and only if, `crypt` is md5. */
  sha256?: string;
}

/** Where a blob's bytes are in the bucket. */
export interface At {
  key: string;
  /** Position of the blob in the object, in bytes. Absent if the blob is the whole object. */
  offset?: number;
}

/** The record that a blob is stored. */
export interface Receipt extends BlobItem {
  at: At;
  meta: Meta;
}

/** What `buildBlock` needs to build the next block. */
export interface Tail {
  chain: string;
  height: number;
  id: string;
  /** Milliseconds since 1970. */
  time: number;
  crypt: Crypt;
  /** sha256 of the block's first line; there if, and only if, `crypt` is md5. */
  sha256?: string;
}

/** A block ready to be stored. */
export interface BuiltBlock {
  id: string;
  chain: string;
  height: number;
  time: number;
  /** sha256 of the first line, on md5 chains. */
  sha256?: string;
  /** The object's exact bytes. */
  bytes: Buffer;
  /** Number of blobs. */
  items: number;
}

/** Settings in a chain's root, which never change. */
export interface ChainSettings {
  /** false: no request documents on this chain. */
  requests?: boolean;
}

/** What only a root has. */
export interface RootFields {
  crypt: Crypt;
  /** 32 hex digits, so that two roots are never equal. */
  salt: string;
  name?: string;
  /** The creator's own JSON, integers only. */
  payload?: unknown;
  settings: ChainSettings;
}

/** A block as read. */
export interface Block {
  id: string;
  /** The chain's id; a root's own id for a root. */
  chain: string;
  /** Id of the block before; null for a root. */
  prev: string | null;
  height: number;
  /** Milliseconds since 1970: the newest event of the chain up to here. */
  time: number;
  crypt: Crypt;
  /** Ordered by event id. */
  blobs: Receipt[];
  /** sha256 of the first line, on md5 chains. */
  sha256?: string;
  /** sha256 of the previous block's first line, on md5 chains. */
  prevSha256?: string;
  root?: RootFields;
}

/** What the caller expects of a block. What is absent is not checked. */
export interface ExpectedBlock {
  id?: string;
  chain?: string;
  height?: number;
  prev?: string | null;
  /** `sha256` of the block before, on md5 chains. */
  prevSha256?: string;
  /** `time` of the block before. */
  minTime?: number;
}

/**
 * `BLOCK_INVALID`: the object or its first line is malformed. `BESIDE_INVALID`: its second line is.
 * The others: a valid line is not the expected one.
 */
export type FaultCode =
  | 'BLOCK_INVALID'
  | 'BESIDE_INVALID'
  | 'ID_MISMATCH'
  | 'CHAIN_MISMATCH'
  | 'HEIGHT_MISMATCH'
  | 'PREV_MISMATCH'
  | 'TIME_BACKWARDS';

export interface BlockFault {
  code: FaultCode;
  message: string;
}

export interface BlockCheck {
  /** Set if both lines are valid, whatever was expected. */
  block?: Block;
  /** Set if the first line is valid: what to expect of the next block. */
  tail?: Tail;
  faults: BlockFault[];
}

/** What a new chain is made of. */
export interface RootOptions {
  /** Default sha256. */
  crypt?: Crypt;
  /** 32 random hex digits. */
  salt: string;
  /** Milliseconds since 1970. */
  time: number;
  name?: string;
  payload?: unknown;
  settings?: ChainSettings;
}
