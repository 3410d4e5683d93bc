import { expect, test } from '@jest/globals';
import { checkUnused } from './exports.ts';

const found = (...ids: string[]): { path: string; name: string }[] =>
  ids.map((id) => {
    const [path = '', name = ''] = id.split(':');
    return { path, name };
  });

test('an export that only tests use is named once, where it is defined', () => {
  expect(checkUnused(found('packages/a/src/b.ts:c', 'packages/a/src/index.ts:c', 'packages/d/src/index.ts:c'), [])).toEqual([
    expect.stringContaining('packages/a/src/b.ts:c is used by tests only'),
    expect.stringContaining('packages/d/src/index.ts:c is used by tests only'),
  ]);
});

test('what the list allows is not named, and an entry that is not needed is', () => {
  const allowed = [
    ['packages/a/', 'x'],
    ['packages/b/src/c.ts:d', 'x'],
    ['packages/e/src/f.ts:g', 'x'],
  ] as const;
  expect(checkUnused(found('packages/a/src/b.ts:c', 'packages/b/src/c.ts:d'), allowed)).toEqual([
    expect.stringContaining('packages/e/src/f.ts:g is listed'),
  ]);
});
