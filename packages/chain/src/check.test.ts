import { describe, expect, test } from '@jest/globals';
import { buildBlock } from './build.ts';
import { checkBlock } from './check.ts';
import { parseBlock, tailOf } from './parse.ts';
import { sampleReceipt, sampleRoot, sampleTail } from './samples.ts';
import type { Crypt } from './types.ts';

const second = (crypt: Crypt): Buffer => {
  const first = buildBlock(sampleTail(crypt), [sampleReceipt(crypt, 1)]);
  return buildBlock(tailOf(first), [sampleReceipt(crypt, 2), sampleReceipt(crypt, 3, { mime: 'text/é', size: 1, ok: true })]).bytes;
};
const codesOf = (bytes: Buffer, expected = {}): string[] => checkBlock(bytes, expected).faults.map(({ code }) => code);

const samples: [what: string, bytes: Buffer][] = [
  ['root', sampleRoot('sha256').bytes],
  ['md5 root', sampleRoot('md5').bytes],
  ['link', second('sha256')],
  ['md5 link', second('md5')],
];

describe('checkBlock', () => {
  test.each(samples)('%s: whole, and as expected', (_, bytes) => {
    const block = parseBlock(bytes);
    const { id, chain, height, prev, time } = block;
    const check = checkBlock(bytes, { id, chain, height, prev, minTime: time, ...(block.prevSha256 && { prevSha256: block.prevSha256 }) });
    expect(check).toEqual({ block, tail: tailOf(block), faults: [] });
    expect(checkBlock(bytes).faults).toEqual([]);
  });

  test.each(samples)('%s: every single bit that changes is found, and in the line where it is', (_, bytes) => {
    const { id } = parseBlock(bytes);
    const end = bytes.indexOf(10);
    const missed: string[] = [];
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const at = bit >> 3;
      bytes[at] = (bytes[at] as number) ^ (1 << (bit & 7));
      const codes = codesOf(bytes, { id });
      // Without its newline the first line goes on, so that its id is another.
      const right = at <= end ? codes.includes('ID_MISMATCH') : codes.length === 1 && codes[0] === 'BESIDE_INVALID';
      if (!right) missed.push(`bit ${bit}: ${codes.join()}`);
      bytes[at] = (bytes[at] as number) ^ (1 << (bit & 7));
    }
    expect(missed).toEqual([]);
  });

  test.each(samples)('%s: every cut is found', (_, bytes) => {
    const { id } = parseBlock(bytes);
    for (let length = 0; length < bytes.length; length++)
      expect([length, codesOf(bytes.subarray(0, length), { id }).length]).not.toEqual([length, 0]);
  });

  test('every expectation that fails is said, in one pass', () => {
    const bytes = second('md5');
    const { id: _id, ...other } = tailOf(sampleRoot('sha256'));
    const expected = { id: other.chain, chain: other.chain, height: 9, prev: other.chain, prevSha256: other.chain, minTime: 2 ** 47 };
    expect(codesOf(bytes, expected)).toEqual([
      'ID_MISMATCH',
      'CHAIN_MISMATCH',
      'HEIGHT_MISMATCH',
      'PREV_MISMATCH',
      'PREV_MISMATCH',
      'TIME_BACKWARDS',
    ]);
    expect(checkBlock(bytes, expected).block).toEqual(parseBlock(bytes));
    bytes[bytes.length - 3] = 0;
    expect(codesOf(bytes, expected)).toEqual([
      'ID_MISMATCH',
      'CHAIN_MISMATCH',
      'HEIGHT_MISMATCH',
      'PREV_MISMATCH',
      'PREV_MISMATCH',
      'TIME_BACKWARDS',
      'BESIDE_INVALID',
    ]);
    expect(codesOf(sampleRoot('md5').bytes, { prev: other.chain })).toEqual(['PREV_MISMATCH']);
    expect(codesOf(bytes, { prev: null })).toContain('PREV_MISMATCH');
  });

  test('a damaged second line leaves what the next block must follow', () => {
    const bytes = second('md5');
    const tail = tailOf(parseBlock(bytes));
    bytes[bytes.length - 3] = 0;
    const check = checkBlock(bytes, { id: tail.id });
    expect(check.block).toBeUndefined();
    expect(check.tail).toEqual(tail);
  });

  test('never throws', () => {
    for (const text of ['', '\n', '{}\n', 'null\nnull\n', `${'['.repeat(200_000)}\n`, '\u0000\n\n\n']) {
      const check = checkBlock(Buffer.from(text), { id: 'x', height: 1 });
      expect(check.faults.length).toBeGreaterThan(0);
      expect(check.block).toBeUndefined();
    }
  });
});
