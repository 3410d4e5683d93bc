import { describe, expect, test } from '@jest/globals';
import { blobMatches, hashOf, isHash } from './hash.ts';

const sha256 = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
const md5 = '900150983cd24fb0d6963f7d28e17f72';
const abc = Buffer.from('abc');

describe('hashes', () => {
  test('are those of FIPS 180 and RFC 1321', () => {
    expect(hashOf('sha256', abc)).toBe(sha256);
    expect(hashOf('md5', abc)).toBe(md5);
  });

  test('have 32 or 64 lower-case hex digits', () => {
    expect([isHash(sha256), isHash(md5), isHash(sha256, 'sha256'), isHash(md5, 'md5')]).toEqual([true, true, true, true]);
    const none = [
      isHash(sha256, 'md5'),
      isHash(md5, 'sha256'),
      isHash(md5.toUpperCase()),
      isHash(`${md5}\n`),
      isHash(`${md5}0`),
      isHash(''),
      isHash(3),
    ];
    expect(none).toEqual(none.map(() => false));
  });
});

describe('blobMatches', () => {
  test('requires the length and every hash', () => {
    expect(blobMatches({ crypt: 'sha256', hash: sha256, length: 3 }, abc)).toBe(true);
    expect(blobMatches({ crypt: 'sha256', hash: sha256, length: 4 }, abc)).toBe(false);
    expect(blobMatches({ crypt: 'sha256', hash: sha256, length: 3 }, Buffer.from('abd'))).toBe(false);
    expect(blobMatches({ crypt: 'md5', hash: md5, length: 3, sha256 }, abc)).toBe(true);
    expect(blobMatches({ crypt: 'md5', hash: md5, length: 3, sha256: sha256.replace('b', 'c') }, abc)).toBe(false);
    expect(blobMatches({ crypt: 'md5', hash: md5, length: 3 }, abc)).toBe(false);
  });
});
