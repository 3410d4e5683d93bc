import { createHash } from 'node:crypto';
import { type Crypt, hashOf } from '@blockhub/chain';
import type { ByteRange, Store } from '@blockhub/store';
import { IdSet } from './id-set.ts';
import { CHUNK_BYTES, type ReadableStore } from './ranges.ts';

export type PackVerdict = 'sound' | 'missing' | 'corrupt';

/** Packs below this size are held as a whole. Larger ones are hashed once, then read by range. */
const WHOLE_BYTES = 8 * 1024 * 1024;
const CACHE_BYTES = 8 * 1024 * 1024;

interface Cached {
  /** Undefined: read by range. */
  bytes: Buffer | undefined;
  missing: boolean;
}

const packForm = /^packs\/([0-9a-f]{64})\.pack$/;

/**
 * Reads each pack as a whole, and compares its hash with its key. The packs used last are held, up
 * to 8 MB, so that a run of blocks reads its pack once. `onVerdict` is called once per pack.
 */
export class PackCache implements ReadableStore {
  readonly #store: Store;
  readonly #onVerdict: (key: string, verdict: PackVerdict) => void;
  readonly #packs = new Map<string, Promise<Cached>>();
  readonly #judged = new IdSet();
  readonly #sizes = new Map<string, number>();
  #bytes = 0;

  constructor(store: Store, onVerdict: (key: string, verdict: PackVerdict) => void) {
    this.#store = store;
    this.#onVerdict = onVerdict;
  }

  async find(key: string, range?: ByteRange): Promise<Buffer | undefined> {
    if (!range || !packForm.test(key)) return this.#store.find(key, range);
    const pack = await this.#pack(key);
    if (pack.missing) return undefined;
    if (!pack.bytes) return this.#store.find(key, range);
    return pack.bytes.subarray(range.offset, range.offset + range.length);
  }

  /** Compares the pack with its key, if that was not done before. */
  async judge(key: string): Promise<void> {
    if (packForm.test(key)) await this.#pack(key);
  }

  #pack(key: string): Promise<Cached> {
    const known = this.#packs.get(key);
    if (known) {
      this.#packs.delete(key);
      this.#packs.set(key, known);
      return known;
    }
    const loading = this.#load(key);
    this.#packs.set(key, loading);
    loading.then(
      (pack) => this.#keep(key, pack.bytes?.length ?? 0),
      () => this.#packs.delete(key),
    );
    return loading;
  }

  #keep(key: string, bytes: number): void {
    this.#sizes.set(key, bytes);
    this.#bytes += bytes;
    for (const old of this.#packs.keys()) {
      const size = this.#sizes.get(old);
      if ((this.#bytes <= CACHE_BYTES && this.#packs.size <= 1024) || old === key) return;
      if (size === undefined) continue;
      this.#packs.delete(old);
      this.#sizes.delete(old);
      this.#bytes -= size;
    }
  }

  async #load(key: string): Promise<Cached> {
    const head = await this.#store.find(key, { offset: 0, length: WHOLE_BYTES });
    const name = packForm.exec(key)?.[1] ?? '';
    if (!head) {
      if (this.#judged.add(name)) this.#onVerdict(key, 'missing');
      return { bytes: undefined, missing: true };
    }
    const whole = head.length < WHOLE_BYTES;
    if (!this.#judged.has(name)) {
      const hash = whole ? hashOf('sha256', head) : (await hashRange(this.#store, key, ['sha256'])).hashes[0];
      this.#judged.add(name);
      this.#onVerdict(key, hash === name ? 'sound' : 'corrupt');
    }
    return { bytes: whole ? head : undefined, missing: false };
  }
}

/** Hashes a part of an object in pieces. `length` is undefined if the object does not exist. */
export async function hashRange(
  store: Store,
  key: string,
  crypts: readonly Crypt[],
  offset = 0,
  length = Number.MAX_SAFE_INTEGER,
): Promise<{ length: number | undefined; hashes: string[] }> {
  const hashes = crypts.map((crypt) => createHash(crypt));
  let at = 0;
  while (at < length) {
    const asked = Math.min(CHUNK_BYTES, length - at);
    const bytes = await store.find(key, { offset: offset + at, length: asked });
    if (!bytes) return { length: undefined, hashes: [] };
    for (const hash of hashes) hash.update(bytes);
    at += bytes.length;
    if (bytes.length < asked) break;
  }
  return { length: at, hashes: hashes.map((hash) => hash.digest('hex')) };
}
