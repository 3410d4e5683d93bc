import { type Block, blockKey, checkBlock, nameKey, type Receipt } from '@blockhub/chain';
import type { Store } from '@blockhub/store';
import { blobFault, wrongBlob } from './blobs.ts';
import { hashRange, PackCache, type PackVerdict } from './packs.ts';
import { CHUNK_BYTES, chunksOf, fetchEach, type Source, sourceOf } from './ranges.ts';
import type { Seen, Stretch, Unchecked } from './reader.ts';
import type { Fault, VerifyLevel } from './types.ts';

const levels: readonly VerifyLevel[] = ['none', 'links', 'blocks', 'blobs', 'full'];

/** True when `level` checks what `needed` checks. */
export const covers = (level: VerifyLevel, needed: VerifyLevel): boolean => levels.indexOf(level) >= levels.indexOf(needed);

interface Want {
  block: Block;
  receipt: Receipt;
}

/** What is checked beyond the entries, a stretch at a time: copies, blobs, packs and the name. */
export class Checker {
  readonly #store: Store;
  readonly #chain: string;
  readonly #level: VerifyLevel;
  /** At level `full` only: there packs are read whole. */
  readonly #packs: PackCache | undefined;
  readonly #source: Source;
  /** What is wrong with packs, by key, until the stretch that they belong to takes it. */
  readonly #packFaults = new Map<string, Fault>();

  constructor(store: Store, chain: string, level: VerifyLevel) {
    this.#store = store;
    this.#chain = chain;
    this.#level = level;
    if (covers(level, 'full')) this.#packs = new PackCache(store, (key, verdict) => this.#onPack(key, verdict));
    this.#source = this.#packs?.source ?? sourceOf(store);
  }

  /** Adds to the stretch what is wrong, and what could not be checked. Never throws. */
  async check(stretch: Stretch): Promise<Stretch> {
    const { seen, unchecked } = stretch;
    if (!covers(this.#level, 'blocks')) return stretch;
    const others = await Promise.all(seen.map((one) => this.#checkCopy(one, stretch)));
    if (covers(this.#level, 'blobs')) {
      await this.#checkBlobs(wantsOf(seen.map((one) => one.block).concat(others.filter((block) => block !== undefined))), stretch);
    }
    if (covers(this.#level, 'full')) {
      for (const { block, entry } of seen)
        if (block.root?.name !== undefined) await guard(nameKey(block.root.name), unchecked, () => this.#checkName(block, entry, stretch));
    }
    return stretch;
  }

  /** Gives the copy when it is sound but says of other places where the blobs lie. */
  async #checkCopy(one: Seen, { faults, unchecked }: Stretch): Promise<Block | undefined> {
    const { block, entry } = one;
    // Without an entry the block was read from its copy.
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

  async #checkBlobs(wants: Iterable<Want>, stretch: Stretch): Promise<void> {
    const large: Want[] = [];
    const small: Want[] = [];
    for (const want of wants) (want.receipt.length > CHUNK_BYTES ? large : small).push(want);
    for (const chunk of chunksOf(small)) {
      const receipts = chunk.map((want) => want.receipt);
      const failed = new Map<string, unknown>();
      const faults: (Fault | undefined)[] = [];
      await fetchEach(this.#source, receipts, (index, { bytes, error }) => {
        const want = chunk[index] as Want;
        if (error !== undefined) failed.set(want.receipt.at.key, error);
        else faults[index] = blobFault(want, bytes);
      });
      for (const [index, want] of chunk.entries()) this.#note(want, faults[index], stretch);
      for (const [key, error] of failed) stretch.unchecked.push({ key, error });
    }
    for (const want of large) await guard(want.receipt.at.key, stretch.unchecked, () => this.#checkLarge(want, stretch));
    if (this.#packFaults.size > 0) for (const { receipt } of small.concat(large)) this.#takePackFault(receipt.at.key, stretch);
  }

  /** Hashed piece by piece, never held as a whole. */
  async #checkLarge(want: Want, stretch: Stretch): Promise<void> {
    const { at, crypt, hash, sha256, length } = want.receipt;
    if (at.offset !== undefined) await this.#packs?.judge(at.key);
    const crypts = crypt === 'md5' ? (['md5', 'sha256'] as const) : (['sha256'] as const);
    // One byte more than a whole object should have tells when it has too many.
    const found = await hashRange(this.#store, at.key, crypts, at.offset ?? 0, at.offset === undefined ? length + 1 : length);
    const same = found.length === length && found.hashes[0] === hash && (crypt === 'sha256' || found.hashes[1] === sha256);
    if (!same) this.#note(want, wrongBlob(want, found.length), stretch);
  }

  #note({ block }: Want, fault: Fault | undefined, stretch: Stretch): void {
    if (!fault) return;
    const one = stretch.seen.find((seen) => seen.block.height === block.height);
    if (one) add(one, stretch.faults, fault);
  }

  /** Whoever creates the name's object owns the name, so it must hold this root. */
  async #checkName(root: Block, entry: Buffer | undefined, { faults }: Stretch): Promise<void> {
    const key = nameKey(root.root?.name ?? '');
    const bytes = await this.#store.find(key);
    if (bytes && entry?.equals(bytes)) return;
    const at = { chain: this.#chain, height: 0, id: root.id, key };
    if (!bytes) faults.push({ code: 'NAME_MISSING', ...at, message: `${key} is missing` });
    else
      for (const { message } of checkBlock(bytes, { id: root.id, height: 0 }).faults)
        faults.push({ code: 'NAME_CORRUPT', ...at, message: `${key} ${message}` });
  }

  #takePackFault(key: string, stretch: Stretch): void {
    const fault = this.#packFaults.get(key);
    if (fault) stretch.faults.push(fault);
    this.#packFaults.delete(key);
  }

  #onPack(key: string, verdict: PackVerdict): void {
    if (verdict === 'sound') return;
    const missing = verdict === 'missing';
    const message = missing ? `${key} is missing` : `${key} does not have the sha256 that is its name`;
    this.#packFaults.set(key, { code: missing ? 'PACK_MISSING' : 'PACK_CORRUPT', chain: this.#chain, key, message });
  }
}

function* wantsOf(blocks: readonly Block[]): Generator<Want> {
  for (const block of blocks) for (const receipt of block.blobs) yield { block, receipt };
}

function add(one: Seen, faults: Fault[], fault: Fault): void {
  one.faults.push(fault);
  faults.push(fault);
}

/** An error of the store is not a fault of the chain: it is noted as unchecked. */
async function guard<T>(key: string, unchecked: Unchecked[], run: () => Promise<T>): Promise<{ failed: boolean; value?: T }> {
  try {
    return { failed: false, value: await run() };
  } catch (error) {
    unchecked.push({ key, error });
    return { failed: true };
  }
}
