import { BlockhubError } from '@blockhub/errors';
import type { Store } from '@blockhub/store';

/** What makes two bodies the same object: all of their bytes, or their first line (a block's second line may differ between two tries). */
type Identity = 'bytes' | 'first-line';

export interface KeepOptions {
  /** Replace what lies at the key. */
  readonly rewrite: boolean;
  readonly identity: Identity;
  /** Read the object back after writing it. */
  readonly readBack: boolean;
}

const NEWLINE = 0x0a;

/**
 * Writes an object, or finds it written. Gives the bytes that lie at the key now: those of another try where they are the same object.
 * @throws OBJECT_EXISTS when another object lies there
 */
export async function keep(store: Store, key: string, body: Buffer, { rewrite, identity, readBack }: KeepOptions): Promise<Buffer> {
  const isSame = (there: Buffer): boolean => identity === 'first-line' && firstLine(there).equals(firstLine(body));
  if (rewrite) await store.put(key, body);
  const kept = rewrite ? body : await store.keep(key, body, isSame);
  if (!readBack) return kept;
  const there = await store.get(key);
  if (there.equals(kept) || isSame(there)) return kept;
  throw new BlockhubError('OBJECT_EXISTS', `other bytes were read back from ${key}`, { details: { key } });
}

function firstLine(bytes: Buffer): Buffer {
  const end = bytes.indexOf(NEWLINE);
  return end < 0 ? bytes : bytes.subarray(0, end);
}
