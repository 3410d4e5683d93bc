import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { canonicalPeer, formatAddress, hopsOfForwarded, hopsOfXForwardedFor, parseAddress, parseHop } from './index.ts';

const shown = (text: string): string | undefined => {
  const address = parseHop(text);
  return address && formatAddress(address);
};

describe('what a proxy wrote names an address', () => {
  test.each([
    ['203.0.113.9', '203.0.113.9'],
    ['203.0.113.9:52711', '203.0.113.9'],
    ['203.0.113.9:0', '203.0.113.9'],
    [' 203.0.113.9\t', '203.0.113.9'],
    ['"203.0.113.9"', '203.0.113.9'],
    ['"203.0.113.9:52711"', '203.0.113.9'],
    ['"\\203.0.113.9"', '203.0.113.9'],
    ['203.0.113.9:_gazonk', '203.0.113.9'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['::FFFF:203.0.113.9', '203.0.113.9'],
    ['::ffff:203.0.113.9:52711', '203.0.113.9'],
    ['[::ffff:203.0.113.9]:52711', '203.0.113.9'],
    ['::ffff:cb00:7109', '203.0.113.9'],
    ['2001:db8::7', '2001:db8::7'],
    ['2001:DB8:0:0:0:0:0:7', '2001:db8::7'],
    ['2001:0db8:0000:0000:0000:0000:0000:0007', '2001:db8::7'],
    ['[2001:db8::7]', '2001:db8::7'],
    ['[2001:DB8::7]:443', '2001:db8::7'],
    ['"[2001:db8::7]:443"', '2001:db8::7'],
    ['"[2001:db8::7]"', '2001:db8::7'],
    ['[2001:db8::7]:_x', '2001:db8::7'],
    ['2001:db8:1:2:3:4:5:6:443', '2001:db8:1:2:3:4:5:6'],
    ['fe80::1%eth0', 'fe80::1'],
    ['[fe80::1%25eth0]:80', 'fe80::1'],
    ['::1', '::1'],
  ])('%j is %s', (text, expected) => {
    expect(shown(text)).toBe(expected);
  });

  test.each([
    '',
    ' ',
    'unknown',
    'UNKNOWN',
    '_hidden',
    '_x',
    '"_x"',
    '-',
    'localhost',
    'example.com',
    'example.com:80',
    '1.2.3',
    '1.2.3.4.5',
    '010.1.1.1',
    '1.2.3.256',
  ])('%j does not', (text) => expect(parseHop(text)).toBeUndefined());

  test.each([
    '1.2.3.4:',
    '1.2.3.4:x',
    '1.2.3.4:123456',
    '1.2.3.4/24',
    '[1.2.3.4]',
    '[]',
    '[::1',
    '::1]',
    '[::1]x',
    '[::1]:',
    '[::1]:x',
    '"1.2.3.4',
    "'1.2.3.4'",
    '""',
    '1.2.3.4 5',
  ])('%j does not either', (text) => expect(parseHop(text)).toBeUndefined());
});

test.each([
  ['1.1.1.1, 2.2.2.2', ['1.1.1.1', '2.2.2.2']],
  [' ,1.1.1.1,,\t2.2.2.2 , ', ['1.1.1.1', '2.2.2.2']],
  ['', []],
  [',', []],
])('X-Forwarded-For %j', (header, expected) => {
  expect(hopsOfXForwardedFor(header)).toEqual(expected);
});

describe('Forwarded', () => {
  test.each<[string, (string | undefined)[] | undefined]>([
    ['for=192.0.2.60', ['192.0.2.60']],
    ['For=192.0.2.60;proto=http;by=203.0.113.43', ['192.0.2.60']],
    ['proto=https;FOR="[2001:db8:cafe::17]:4711"', ['"[2001:db8:cafe::17]:4711"']],
    ['for=192.0.2.43, for=198.51.100.17', ['192.0.2.43', '198.51.100.17']],
    ['for=192.0.2.43,for="[2001:db8::1]";host="a,b;c=d"', ['192.0.2.43', '"[2001:db8::1]"']],
    ['for=[2001:db8::7]:443', ['[2001:db8::7]:443']],
    ['for=1.2.3.4:80 ; proto=http', ['1.2.3.4:80']],
    ['for = 1.2.3.4', ['1.2.3.4']],
    ['for="_gazonk"', ['"_gazonk"']],
    ['for=unknown', ['unknown']],
    [', ,for=1.1.1.1,;,', ['1.1.1.1']],
    ['', []],
    ['for=', ['']],
    ['proto=https', [undefined]],
    ['for=1.1.1.1, proto=https', ['1.1.1.1', undefined]],
    ['for=1.1.1.1;for=2.2.2.2', [undefined]],
    ['for', undefined],
    ['1.2.3.4', undefined],
    ['for="1.1.1.1', undefined],
    ['for="x, for="[2001:db8::7]:443"', undefined],
    ['for="x, for="[2001:db8::7]";by="[2001:db8::8]"', undefined],
    ['for=1.1.1.1 2.2.2.2', undefined],
    ['for=a=b', undefined],
    ['for="a"b', undefined],
  ])('%j', (header, expected) => {
    expect(hopsOfForwarded(header)).toEqual(expected);
  });

  test('of any length is read once', () => {
    for (const part of ['for=1.1.1.1,', ' ', ',', ';', 'for="', '"\\', '\t'])
      hopsOfForwarded(part.repeat(Math.ceil(300_000 / part.length)));
    expect(hopsOfForwarded('for=1.1.1.1,'.repeat(20_000))).toHaveLength(20_000);
  });
});

test.each([
  ['127.0.0.1', '127.0.0.1'],
  ['::ffff:127.0.0.1', '127.0.0.1'],
  ['fe80::1%eth0', 'fe80::1'],
  ['::', '::'],
  ['2001:DB8::', '2001:db8::'],
  ['', ''],
])('the connection from %j is from %s', (ip, expected) => {
  expect(canonicalPeer(ip)).toBe(expected);
});

test.each([
  [0n, '::'],
  [1n, '::1'],
  [1n << 112n, '1::'],
  [0x20010db8000000000001000000000001n, '2001:db8::1:0:0:1'],
  [0x20010db8000100010001000100000001n, '2001:db8:1:1:1:1:0:1'],
  [0x20010db8000000010001000100010001n, '2001:db8:0:1:1:1:1:1'],
  [0x00010000000000010000000000000001n, '1:0:0:1::1'],
  [0x00000000000000010000000000010000n, '::1:0:0:1:0'],
  [0x00100000000000000000000000000000n, '10::'],
  [0x00100000010000000000000000010000n, '10:0:100::1:0'],
])('%d is written %s', (value, expected) => {
  expect(formatAddress({ family: 6, value })).toBe(expected);
});

test('what is written is the same address', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), { minLength: 8, maxLength: 8 }), (groups) => {
      const value = groups.reduce((sum, group) => (sum << 16n) | BigInt(group), 0n);
      const address =
        value >> 32n === 0xffffn ? ({ family: 4, value: Number(value & 0xffffffffn) } as const) : ({ family: 6, value } as const);
      expect(parseAddress(formatAddress(address))).toEqual(address);
    }),
  );
});
