import { BlockhubError } from '@blockhub/errors';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { encodeReceipts } from './receipts.ts';
import { groups, sampleReceipt } from './samples.ts';
import type { Receipt } from './types.ts';

const pathOf = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    if (error instanceof BlockhubError && error.code === 'MESSAGE_INVALID') return error.details.path;
    throw error;
  }
  return undefined;
};

describe('receipts as text', () => {
  test('come back as they were, also when two texts are joined by cutting brackets', () => {
    fc.assert(
      fc.property(groups, groups, (a, b) => {
        const joined = `${encodeReceipts(a).slice(0, -1)},${encodeReceipts(b).slice(1)}`;
        expect(JSON.parse(joined)).toEqual(JSON.parse(JSON.stringify([...a, ...b])));
      }),
    );
    expect(encodeReceipts([])).toBe('[]');
  });

  const good = sampleReceipt('md5', 1);
  const { at: _at, ...withoutAt } = good;
  const { sha256: _sha256, ...withoutSha256 } = good;
  const bad: [path: string, receipt: unknown][] = [
    ['/1', null],
    ['/1', []],
    ['/1', { ...good, next: 'x' }],
    ['/1/crypt', { ...good, crypt: 'sha1' }],
    ['/1/event', { ...good, event: good.event.toUpperCase().replace('7', '4') }],
    ['/1/hash', { ...good, hash: good.sha256 }],
    ['/1/hash', { ...good, crypt: 'sha256' }],
    ['/1/length', { ...good, length: -1 }],
    ['/1/length', { ...good, length: 1.5 }],
    ['/1/length', { ...good, length: '1' }],
    ['/1/sha256', withoutSha256],
    ['/1/sha256', { ...sampleReceipt('sha256', 1), sha256: good.sha256 }],
    ['/1/at', withoutAt],
    ['/1/at', { ...good, at: { key: 'a', length: 1 } }],
    ['/1/at/key', { ...good, at: { key: '' } }],
    ['/1/at/offset', { ...good, at: { key: 'a', offset: 2 ** 53 } }],
    ['/1/meta', { ...good, meta: [] }],
    ['/1/meta/a', { ...good, meta: { a: null } }],
    ['/1/meta/a', { ...good, meta: { a: { b: 1 } } }],
    ['/1/meta/createdAt', { ...good, meta: { mime: 'a', createdAt: 1 } }],
  ];
  test.each(bad)('%s is named when it is wrong: %j', (path, receipt) => {
    const list = [sampleReceipt('sha256', 0), receipt as Receipt];
    expect(pathOf(() => encodeReceipts(list))).toBe(path);
  });

  test('a number that JSON does not have is refused', () => {
    expect(pathOf(() => encodeReceipts([{ ...good, meta: { ratio: Number.NaN } }]))).toBe('/0/meta/ratio');
  });
});
