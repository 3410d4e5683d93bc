import { BlockhubError } from '@blockhub/errors';
import type { Store } from '@blockhub/store';

/** The bytes that must be equal. A block that was built twice may differ after its first line. */
type Identity = 'bytes' | 'first-line';

export interface KeepOptions {
  /** Replace an object at the same key. */
  readonly rewrite: boolean;
  readonly identity: Identity;
  /** Read the object back after writing it. */
  readonly readBack: boolean;
}

const NEWLINE = 0x0a;

/** Writes or finds the object, and returns its stored bytes. @throws OBJECT_EXISTS for another */
export async function keep(store: Store, key: string, body: Buffer, { rewrite, identity, readBack }: KeepOptions): Promise<Buffer> {
  const isSame = (there: Buffer): boolean => identity === 'first-line' && firstLine(there).equals(firstLine(body));
  if (rewrite) await store.put(key, body);
  const kept = rewrite ? body : await store.keep(key, body, isSame);
  if (!readBack) return kept;
  const there = await store.get(key);
  if (there.equals(kept) || isSame(there)) return kept;
  throw new BlockhubError('OBJECT_EXISTS', `the bytes read back from ${key} are not the ones that were written`, { details: { key } });
}

function firstLine(bytes: Buffer): Buffer {
  const end = bytes.indexOf(NEWLINE);
  return end < 0 ? bytes : bytes.subarray(0, end);
}
