import { describe, expect, test } from '@jest/globals';
import { blobKey, blockKey, chainPrefix, entryKey, heightOfKey, isChainName, MAX_HEIGHT, nameKey, packKey } from './keys.ts';

const id = 'ab'.repeat(32);

describe('keys', () => {
  test('are those of the bucket layout', () => {
    expect(blockKey(id)).toBe(`blocks/${id}.block`);
    expect(entryKey(id, 42)).toBe(`chains/${id}/000000000042.block`);
    expect(entryKey(id, 42).startsWith(chainPrefix(id))).toBe(true);
    expect(blobKey(id)).toBe(`blobs/${id}.blob`);
    expect(packKey(id)).toBe(`packs/${id}.pack`);
    expect(nameKey('orders')).toBe('names/orders.block');
  });

  test('the height comes back, and only from entries', () => {
    for (const height of [0, 1, 999, MAX_HEIGHT]) expect(heightOfKey(entryKey(id, height))).toBe(height);
    for (const key of [`chains/${id}/meta/a.json`, `chains/${id}/42.block`, blockKey(id), `${entryKey(id, 1)}.tmp`, ''])
      expect(heightOfKey(key)).toBeUndefined();
  });

  test('names cannot be mistaken for ids or paths', () => {
    for (const name of ['a', '0', 'orders', 'eu.orders-2_x', 'a'.repeat(63), 'ab'.repeat(15)])
      expect([name, isChainName(name)]).toEqual([name, true]);
    for (const name of ['', 'A', '-a', '.a', '_a', 'a b', 'a/b', 'a'.repeat(64), 'g'.repeat(64), 'ab'.repeat(16), 'é', 'a\n'])
      expect([name, isChainName(name)]).toEqual([name, false]);
  });
});
