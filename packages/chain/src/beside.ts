import { demand, isObject, Malformed, readJson } from './canonical.ts';
import { hashOf } from './hash.ts';
import { wrongAt, wrongMeta } from './item.ts';
import type { At, BlobItem, Meta, Receipt } from './types.ts';

type Row = [keyIndex: number, offset: number | null, meta: Meta];

/** The JSON of line 2: each key once, in the order of first use, and a row for each blob. */
export function encodeBeside(receipts: readonly Pick<Receipt, 'at' | 'meta'>[]): string {
  const indexOf = new Map<string, number>();
  const rows: Row[] = [];
  for (let index = 0; index < receipts.length; index++) {
    const { at, meta } = receipts[index] as Receipt;
    const wrong = wrongAt(at) ?? wrongMeta(meta);
    if (wrong) throw new Malformed(`/blobs/${index}${wrong[0]}`, wrong[1]);
    let keyIndex = indexOf.get(at.key);
    if (keyIndex === undefined) {
      keyIndex = indexOf.size;
      indexOf.set(at.key, keyIndex);
    }
    rows.push([keyIndex, at.offset ?? null, meta]);
  }
  return JSON.stringify({ keys: [...indexOf.keys()], blobs: rows });
}

/** The second line of an object, without its newline. */
export const besideLine = (json: string): string => `${hashOf('sha256', Buffer.from(json))} ${json}`;

/** Joins item, place and meta. One literal per shape is faster for the engine. */
function join({ event, crypt, hash, length, sha256 }: BlobItem, at: At, meta: Meta): Receipt {
  if (sha256 === undefined) return { event, crypt, hash, length, at, meta };
  return { event, crypt, hash, length, sha256, at, meta };
}

/** Reads what follows the first newline of an object. Gives the receipts of these items. */
export function readBeside(bytes: Buffer, items: readonly BlobItem[]): Receipt[] {
  demand(bytes.at(-1) === 10 && bytes[64] === 32, '', 'must be a sha256, a space, JSON and a newline');
  const json = bytes.subarray(65, -1);
  demand(bytes.toString('latin1', 0, 64) === hashOf('sha256', json), '', 'must begin with the sha256 of its JSON');
  const text = json.toString();
  const beside = readJson(text, '');
  demand(isObject(beside) && Array.isArray(beside.keys) && Array.isArray(beside.blobs), '', 'must hold keys and blobs');
  const keys: unknown[] = beside.keys;
  const rows: unknown[] = beside.blobs;
  demand(rows.length === items.length, '/blobs', `must have a row for each of ${items.length} blobs`);
  const receipts = rows.map((row, index) => {
    if (!Array.isArray(row)) throw new Malformed(`/blobs/${index}`, 'must be a row');
    const [keyIndex, offset, meta] = row as Row;
    const key = keys[keyIndex] as string;
    return join(items[index] as BlobItem, offset === null ? { key } : { key, offset }, meta);
  });
  demand(Buffer.from(encodeBeside(receipts)).equals(json), '', 'does not have the one valid form of its fields');
  return receipts;
}
