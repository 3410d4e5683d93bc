import {
  type BuiltBlock,
  buildBlock,
  buildRoot,
  entryKey,
  hashOf,
  newEvent,
  parseBlock,
  type Receipt,
  type Tail,
  tailOf,
} from '@blockhub/chain';
import type { Store } from '@blockhub/store';

const START = Date.UTC(2026, 0, 1);

export function receiptAt(ms: number, number: number, pack = 'one'): Receipt {
  const body = Buffer.from(`body ${number}`);
  const event = newEvent(START + ms, Buffer.from(String(number).padStart(10, '0')));
  return {
    event,
    crypt: 'sha256',
    hash: hashOf('sha256', body),
    length: body.length,
    at: { key: `packs/${pack}.pack`, offset: number },
    meta: {},
  };
}

const tailOfBuilt = (block: BuiltBlock): Tail => tailOf(parseBlock(block.bytes));

/** A chain in a store. `append` does what builder and next-field do. */
export async function sampleChain(
  store: Store,
  digit = '0',
): Promise<{ readonly tails: Tail[]; append(receipts: readonly Receipt[]): Promise<Tail> }> {
  const root = buildRoot({ salt: digit.repeat(32), time: START });
  const tails = [tailOfBuilt(root)];
  await store.create(entryKey(root.id, 0), root.bytes);
  return {
    tails,
    async append(receipts) {
      const block = buildBlock(tails.at(-1) as Tail, receipts);
      await store.create(entryKey(root.id, block.height), block.bytes);
      const tail = tailOfBuilt(block);
      tails.push(tail);
      return tail;
    },
  };
}
