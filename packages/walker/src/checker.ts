import { type Block, blockKey, checkBlock, nameKey } from '@blockhub/chain';
import type { Store } from '@blockhub/store';
import { blobFault, type WantedBlob, wrongBlob } from './blobs.ts';
import type { LinkedBlock, Segment } from './linker.ts';
import { hashRange, PackCache, type PackVerdict } from './packs.ts';
import { CHUNK_BYTES, chunksOf, fetchEach, type ReadableStore } from './ranges.ts';
import { type Fault, type VerifyLevel, verifyLevels } from './types.ts';
import type { Unchecked } from './unchecked.ts';

/** True if `level` checks what `needed` checks. */
export const covers = (level: VerifyLevel, needed: VerifyLevel): boolean => verifyLevels.indexOf(level) >= verifyLevels.indexOf(needed);

/** Checks copies, blobs, packs and the chain's name, one segment at a time. */
export class Checker {
  readonly #store: Store;
  readonly #chain: string;
  readonly #level: VerifyLevel;
  /** Only at level `full`, which reads whole packs. */
  readonly #packs: PackCache | undefined;
  /** Where blobs are read from: the cache of packs, or else the store. */
  readonly #blobs: ReadableStore;
  /** Faults of packs by key, until a segment that uses the pack takes them. */
  readonly #packFaults = new Map<string, Fault>();

  constructor(store: Store, chain: string, level: VerifyLevel) {
    this.#store = store;
    this.#chain = chain;
    this.#level = level;
    if (covers(level, 'full')) this.#packs = new PackCache(store, (key, verdict) => this.#onPack(key, verdict));
    this.#blobs = this.#packs ?? store;
  }

  /** Adds faults, and what could not be checked, to the segment. Never throws. */
  async check(segment: Segment): Promise<Segment> {
    const { blocks, unchecked } = segment;
    if (!covers(this.#level, 'blocks')) return segment;
    const others = await Promise.all(blocks.map((one) => this.#checkCopy(one, segment)));
    if (covers(this.#level, 'blobs')) {
      await this.#checkBlobs(wantedBlobs(blocks.map((one) => one.block).concat(others.filter((block) => block !== undefined))), segment);
    }
    if (covers(this.#level, 'full')) {
      for (const { block, entry } of blocks)
        if (block.root?.name !== undefined) await guard(nameKey(block.root.name), unchecked, () => this.#checkName(block, entry, segment));
    }
    return segment;
  }

  /** Gives the copy if it is sound but differs from the entry in where its blobs are stored. */
  async #checkCopy(one: LinkedBlock, { faults, unchecked }: Segment): Promise<Block | undefined> {
    const { block, entry } = one;
    // If there is no entry, the block was read from its copy.
    if (!entry) return undefined;
    const key = blockKey(block.id);
    const found = await guard(key, unchecked, () => this.#store.find(key));
    if (found.failed || found.value?.equals(entry)) return undefined;
    const at = { chain: block.chain, height: block.height, id: block.id, key };
    if (!found.value) {
      add(one, faults, {
        code: 'BLOCK_MISSING',
        ...at,
        message: `${key} is missing, or the entry of height ${block.height} is not the block it was`,
      });
      return undefined;
    }
    const copy = checkBlock(found.value, { id: block.id, chain: block.chain, height: block.height });
    for (const { code, message } of copy.faults) add(one, faults, { code, ...at, message: `${key} ${message}` });
    return copy.faults.length === 0 ? copy.block : undefined;
  }

  async #checkBlobs(wanted: Iterable<WantedBlob>, segment: Segment): Promise<void> {
    const large: WantedBlob[] = [];
    const small: WantedBlob[] = [];
    for (const want of wanted) (want.receipt.length > CHUNK_BYTES ? large : small).push(want);
    for (const chunk of chunksOf(small)) {
      const receipts = chunk.map((want) => want.receipt);
      const failed = new Map<string, unknown>();
      const faults: (Fault | undefined)[] = [];
      await fetchEach(this.#blobs, receipts, (index, { bytes, error }) => {
        const want = chunk[index] as WantedBlob;
        if (error !== undefined) failed.set(want.receipt.at.key, error);
        else faults[index] = blobFault(want, bytes);
      });
      for (const [index, want] of chunk.entries()) this.#note(want, faults[index], segment);
      for (const [key, error] of failed) segment.unchecked.push({ key, error });
    }
    for (const want of large) await guard(want.receipt.at.key, segment.unchecked, () => this.#checkLarge(want, segment));
    for (const { receipt } of this.#packFaults.size > 0 ? small.concat(large) : []) {
      const fault = this.#packFaults.get(receipt.at.key);
      if (fault) segment.faults.push(fault);
      this.#packFaults.delete(receipt.at.key);
    }
  }

  /** Hashes the blob in pieces, so that it is never held as a whole. */
  async #checkLarge(want: WantedBlob, segment: Segment): Promise<void> {
    const { at, crypt, hash, sha256, length } = want.receipt;
    if (at.offset !== undefined) await this.#packs?.judge(at.key);
    const crypts = crypt === 'md5' ? (['md5', 'sha256'] as const) : (['sha256'] as const);
    // One byte more is read of an object of its own, to find one that is too long.
    const found = await hashRange(this.#store, at.key, crypts, at.offset ?? 0, at.offset === undefined ? length + 1 : length);
    const same = found.length === length && found.hashes[0] === hash && (crypt === 'sha256' || found.hashes[1] === sha256);
    if (!same) this.#note(want, wrongBlob(want, found.length), segment);
  }

  #note({ block }: WantedBlob, fault: Fault | undefined, segment: Segment): void {
    if (!fault) return;
    const one = segment.blocks.find((linked) => linked.block.height === block.height);
    if (one) add(one, segment.faults, fault);
  }

  /** The chain whose root is in the name's object owns the name. */
  async #checkName(root: Block, entry: Buffer | undefined, { faults }: Segment): Promise<void> {
    const key = nameKey(root.root?.name ?? '');
    const bytes = await this.#store.find(key);
    if (bytes && entry?.equals(bytes)) return;
    const at = { chain: this.#chain, height: 0, id: root.id, key };
    if (!bytes) faults.push({ code: 'NAME_MISSING', ...at, message: `${key} is missing` });
    else
      for (const { message } of checkBlock(bytes, { id: root.id, height: 0 }).faults)
        faults.push({ code: 'NAME_CORRUPT', ...at, message: `${key} ${message}` });
  }

  #onPack(key: string, verdict: PackVerdict): void {
    if (verdict === 'sound') return;
    const missing = verdict === 'missing';
    const message = missing ? `${key} is missing` : `${key} does not have the sha256 that is its name`;
    this.#packFaults.set(key, { code: missing ? 'PACK_MISSING' : 'PACK_CORRUPT', chain: this.#chain, key, message });
  }
}

function* wantedBlobs(blocks: readonly Block[]): Generator<WantedBlob> {
  for (const block of blocks) for (const receipt of block.blobs) yield { block, receipt };
}

function add(one: LinkedBlock, faults: Fault[], fault: Fault): void {
  one.faults.push(fault);
  faults.push(fault);
}

/** An error of the store is not a fault of the chain. It is added to `unchecked`. */
async function guard<T>(key: string, unchecked: Unchecked[], run: () => Promise<T>): Promise<{ failed: boolean; value?: T }> {
  try {
    return { failed: false, value: await run() };
  } catch (error) {
    unchecked.push({ key, error });
    return { failed: true };
  }
}
