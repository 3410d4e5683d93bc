import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { afterFolder, compareKeys } from './keys.ts';

test('keys are ordered by their UTF-8 bytes', () => {
  const key = fc.string({
    unit: fc.oneof(
      fc.constantFrom('a', '/', '0', '\u{e000}', '\u{ffff}', '\u{10000}', '\u{10ffff}'),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
    ),
  });
  fc.assert(
    fc.property(key, key, (a, b) => {
      expect(Math.sign(compareKeys(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
    { numRuns: 5000 },
  );
});

test('afterFolder lies behind all of a folder and before what comes next', () => {
  const keys = ['a-', 'a/', 'a/b', 'a/\u{10ffff}', 'a00', 'aa'];
  expect(keys.filter((key) => compareKeys(key, afterFolder('a')) > 0)).toEqual(['a00', 'aa']);
});
