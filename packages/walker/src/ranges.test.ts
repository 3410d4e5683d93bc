import { hashOf, newEvent, type Receipt } from '@blockhub/chain';
import { describe, expect, test } from '@jest/globals';
import { fetchAll, fetchEach, type ReadableStore } from './ranges.ts';

const receipt = (key: string, offset: number, length = 10): Receipt => ({
  event: newEvent(1, Buffer.alloc(10)),
  crypt: 'sha256',
  hash: hashOf('sha256', Buffer.alloc(length)),
  length,
  at: { key, offset },
  meta: {},
});

const storeOf = (find: ReadableStore['find']): ReadableStore => ({ find });

describe('ranges', () => {
  test('are read a few at a time, each taken before the next: a few bytes of each of many packs never hold all packs', async () => {
    let held = 0;
    let most = 0;
    const store = storeOf(async (_, range) => {
      most = Math.max(most, ++held);
      await new Promise(setImmediate);
      return Buffer.alloc(range?.length ?? 0);
    });
    const taken = new Set<number>();
    const receipts = Array.from({ length: 40 }, (_, pack) => receipt(`packs/${pack}`, 0));
    await fetchEach(store, receipts, (index) => {
      taken.add(index);
      held--;
    });
    expect(taken.size).toBe(40);
    expect(most).toBeLessThanOrEqual(4);
  });

  test('are let go when few bytes of them are kept', async () => {
    const store = storeOf(async (_, range) => Buffer.alloc(range?.length ?? 0, 1));
    const far = await fetchAll(store, [receipt('pack', 0), receipt('pack', 60_000), receipt('pack', 120_000)]);
    for (const { bytes } of far) {
      expect(bytes).toEqual(Buffer.alloc(10, 1));
      expect(bytes?.buffer.byteLength).toBeLessThan(120_000);
    }
    const [one, two] = await fetchAll(store, [receipt('pack', 0, 9000), receipt('pack', 9000, 9000)]);
    expect(one?.bytes?.buffer).toBe(two?.bytes?.buffer);
  });

  test('that fail spoil no others', async () => {
    const store = storeOf(async (key, range) => {
      if (key === 'away') throw new Error('away');
      return key === 'gone' ? undefined : Buffer.alloc(range?.length ?? 0);
    });
    const fetched = await fetchAll(store, [receipt('away', 0), receipt('gone', 0), receipt('there', 0), receipt('away', 10)]);
    expect(fetched.map(({ bytes, error }) => [bytes?.length, error !== undefined])).toEqual([
      [undefined, true],
      [undefined, false],
      [10, false],
      [undefined, true],
    ]);
  });
});
