import { describe, expect, test } from '@jest/globals';
import { BlockhubError, errorCode, errorCodes, hasCode, isTransient } from './index.ts';

describe('BlockhubError', () => {
  test('carries code, message, details and cause', () => {
    const cause = new Error('ENOENT');
    const error = new BlockhubError('OBJECT_MISSING', 'no object at packs/x', { cause, details: { key: 'packs/x' } });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: 'BlockhubError',
      code: 'OBJECT_MISSING',
      message: 'no object at packs/x',
      cause,
      details: { key: 'packs/x' },
    });
  });

  test('has no cause of its own making', () => {
    expect('cause' in new BlockhubError('INTERNAL', 'x')).toBe(false);
  });

  test('takes what the caller can do from the table', () => {
    const error = new BlockhubError('STORE_FULL', 'disk');
    expect([error.transient, error.status, error.fix]).toEqual([true, 503, errorCodes.STORE_FULL.fix]);
    expect(new BlockhubError('STORE_FULL', 'disk', { fix: 'Raise the quota.' }).fix).toBe('Raise the quota.');
    expect(new BlockhubError('OBJECT_EXISTS', 'x')).toMatchObject({ transient: false, status: 500 });
  });
});

test('hasCode distinguishes our errors from others with the same code', () => {
  expect(hasCode(new BlockhubError('CHAIN_NOT_FOUND', 'x'), 'CHAIN_NOT_FOUND')).toBe(true);
  expect(hasCode(new BlockhubError('CHAIN_INVALID', 'x'), 'CHAIN_NOT_FOUND')).toBe(false);
  expect(hasCode(Object.assign(new Error(), { code: 'CHAIN_NOT_FOUND' }), 'CHAIN_NOT_FOUND')).toBe(false);
});

test('what is not ours is never transient', () => {
  expect(isTransient(new BlockhubError('BROKER_UNAVAILABLE', 'x'))).toBe(true);
  for (const other of [new Error('x'), { transient: true }, undefined, null, 'BROKER_UNAVAILABLE']) expect(isTransient(other)).toBe(false);
});

test.each([
  [new BlockhubError('USAGE', 'x'), 'USAGE'],
  [Object.assign(new Error(), { code: 'ENOSPC' }), 'ENOSPC'],
  [Object.assign(new Error(), { code: 'USAGE' }), 'INTERNAL'],
  [Object.assign(new Error(), { code: 7 }), 'INTERNAL'],
  [new Error('x'), 'INTERNAL'],
  [null, 'INTERNAL'],
  [undefined, 'INTERNAL'],
  ['ENOSPC', 'INTERNAL'],
])('errorCode(%p) is %s', (thrown, code) => {
  expect(errorCode(thrown)).toBe(code);
});

test.each(Object.entries(errorCodes))('%s has a meaning and a fix in short, full sentences', (code, entry) => {
  expect(code).toMatch(/^[A-Z]+(?:_[A-Z]+)*$/);
  for (const text of [entry.meaning, entry.fix]) {
    expect(text).toMatch(/^[A-Z].*\.$/);
    expect(text.length).toBeLessThanOrEqual(200);
    for (const sentence of text.split(/(?<=\.) /)) expect(sentence.split(' ').length).toBeLessThanOrEqual(25);
  }
  if ('transient' in entry && 'status' in entry) expect([429, 503]).toContain(entry.status);
});
