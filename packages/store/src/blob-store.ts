import { BlockhubError } from '@blockhub/errors';
import type { Store } from './store.ts';

/** Where bytes lie: a whole object, or a piece of it when `offset` is given. Offsets and lengths in bytes. */
export interface BlobPlace {
  readonly key: string;
  readonly offset?: number;
  readonly length: number;
}

/** Tells whether bytes are the ones wanted; the caller knows the hash. */
export type BytesCheck = (bytes: Buffer) => boolean;

/** Blobs by id, and bytes by place. `key` gives the object key of an id. */
export class BlobStore {
  readonly #store: Store;
  readonly #key: (id: string) => string;

  constructor(store: Store, key: (id: string) => string) {
    this.#store = store;
    this.#key = key;
  }

  /**
   * The bytes at a place, from one request.
   *
   * @throws OBJECT_MISSING when the object, or a part of the piece, is not there; OBJECT_HASH_MISMATCH when `matches` says no
   */
  async read(place: BlobPlace, matches?: BytesCheck): Promise<Buffer> {
    const { key, offset, length } = place;
    const bytes = await this.#store.get(key, offset === undefined ? undefined : { offset, length });
    if (bytes.length < length) {
      const message = `${key} ends ${length - bytes.length} bytes before the end of the piece at ${offset ?? 0}`;
      throw new BlockhubError('OBJECT_MISSING', message, { details: { ...place, found: bytes.length } });
    }
    if (bytes.length > length || matches?.(bytes) === false) throw mismatch(key, { ...place, found: bytes.length });
    return bytes;
  }

  /** @throws OBJECT_MISSING; OBJECT_HASH_MISMATCH when `matches` says no */
  async get(id: string, matches?: BytesCheck): Promise<Buffer> {
    const key = this.#key(id);
    const bytes = await this.#store.get(key);
    if (matches?.(bytes) === false) throw mismatch(key, { id });
    return bytes;
  }

  create(id: string, bytes: Uint8Array): Promise<'created' | 'exists'> {
    return this.#store.create(this.#key(id), bytes);
  }

  put(id: string, bytes: Uint8Array): Promise<void> {
    return this.#store.put(this.#key(id), bytes);
  }
}

const mismatch = (key: string, details: Record<string, unknown>): BlockhubError =>
  new BlockhubError('OBJECT_HASH_MISMATCH', `the bytes at ${key} are not the ones that were stored`, { details: { key, ...details } });
