import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { AddressSet, parseAddress } from './addresses.ts';

describe('an address', () => {
  test.each([
    ['1.2.3.4', 4, 0x01020304],
    ['255.255.255.255', 4, 0xffffffff],
    ['::ffff:1.2.3.4', 4, 0x01020304],
    ['::FFFF:102:304', 4, 0x01020304],
    ['0:0:0:0:0:ffff:1.2.3.4', 4, 0x01020304],
    ['::', 6, 0n],
    ['::1', 6, 1n],
    ['::1.2.3.4', 6, 0x01020304n],
    ['2001:db8::1:0', 6, 0x20010db8000000000000000000010000n],
    ['1:2:3:4:5:6:7:8', 6, 0x00010002000300040005000600070008n],
    ['1:2:3:4:5:6:7::', 6, 0x00010002000300040005000600070000n],
    ['64:ff9b::192.0.2.33', 6, 0x0064ff9b0000000000000000c0000221n],
  ])('%s', (text, family, value) => {
    expect(parseAddress(text)).toEqual({ family, value });
  });

  test.each([
    '',
    ' ',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '010.0.0.1',
    '1.2.3.4 ',
    '0x1.2.3.4',
    '16909060',
    '1.2.3.4:80',
    '[::1]',
    '::1%eth0',
    ':::',
    '1::2::3',
    'fe80::g',
    '::ffff:1.2.3.256',
    '１.2.3.4',
    'localhost',
  ])('%p is none', (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });
});

const setOf = (...items: string[]): { has(ip: string): boolean; mistakes: string[] } => {
  const mistakes: string[] = [];
  const set = new AddressSet(items, (what) => mistakes.push(what));
  return { has: (ip) => set.has(parseAddress(ip) ?? { family: 6, value: -1n }), mistakes };
};

test.each([
  ['10.1.2.3', true],
  ['::ffff:10.1.2.3', true],
  ['fe80::1%eth0', true],
  ['11.1.2.3', false],
  ['2001:db8::1%10.1.2.3', false],
  ['', false],
])('of the connection from %j, 10.0.0.0/8 and fe80::/10 say %p', (ip, expected) => {
  expect(new AddressSet(['10.0.0.0/8', 'fe80::/10'], () => {}).hasPeer(ip)).toBe(expected);
});

describe('a set of addresses', () => {
  test.each([
    ['10.0.0.0/8', ['10.0.0.0', '10.255.255.255', '::ffff:10.1.1.1'], ['9.255.255.255', '11.0.0.0', '::a00:1']],
    [
      '192.12-168.1-30.22',
      ['192.12.1.22', '192.168.30.22', '192.99.7.22'],
      ['192.11.1.22', '192.169.1.22', '192.12.0.22', '192.12.31.22', '192.12.1.23', '191.12.1.22'],
    ],
    ['10.1-2.0-255.0-255', ['10.1.0.0', '10.2.255.255'], ['10.0.255.255', '10.3.0.0']],
    ['203.0.113.7', ['203.0.113.7', '::ffff:cb00:7107'], ['203.0.113.6', '203.0.113.8']],
    ['0.0.0.0/0', ['0.0.0.0', '255.255.255.255'], ['::', '::1']],
    ['::/0', ['::', '2001:db8::'], ['1.2.3.4', '::ffff:1.2.3.4']],
    ['2001:db8::/32', ['2001:db8::', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff'], ['2001:db7:ffff::', '2001:db9::']],
    ['::ffff:10.0.0.0/104', ['10.255.0.1'], ['11.0.0.0']],
    ['::ffff:10.0.0.1', ['10.0.0.1'], ['10.0.0.2']],
  ])('%s', (item, inside, outside) => {
    const { has, mistakes } = setOf(item);
    expect(mistakes).toEqual([]);
    expect(inside.filter((ip) => !has(ip))).toEqual([]);
    expect(outside.filter(has)).toEqual([]);
  });

  test.each([
    ['10.0.0.1/8', 'bits behind'],
    ['10.0.0.0/33', 'from 0 to 32'],
    ['10.0.0.0/-1', 'from 0 to 32'],
    ['10.0.0.0/08', 'from 0 to 32'],
    ['10.0.0.0/', 'from 0 to 32'],
    ['::1/129', 'from 0 to 128'],
    ['10.0.0.0/8/8', 'no address'],
    ['::ffff:0.0.0.0/90', 'covers IPv4 and IPv6'],
    ['1.2-1.3.4', 'not growing'],
    ['1.2.3.4-256', 'not growing'],
    ['1.2.3.-4', 'no address'],
    ['1.2.3.04', 'no address'],
    ['1-2-3.4.5.6', 'no address'],
    ['fe80::1%eth0', 'no address'],
    ['example.com', 'no address'],
    ['*', 'no address'],
  ])('%s is a mistake', (item, what) => {
    expect(setOf(item).mistakes).toEqual([expect.stringContaining(what)]);
  });

  test('is what it lists, however the items overlap', () => {
    const octet = fc.integer({ min: 0, max: 255 });
    const ends = fc.tuple(octet, octet).map(([a, b]): [number, number] => [Math.min(a, b), Math.max(a, b)]);
    const item = fc.tuple(ends, ends, ends, ends);
    fc.assert(
      fc.property(
        fc.array(item, { minLength: 1, maxLength: 8 }),
        fc.array(fc.tuple(octet, octet, octet, octet), { minLength: 1 }),
        (items, asked) => {
          const { has } = setOf(...items.map((octets) => octets.map(([a, b]) => `${a}-${b}`).join('.')));
          const edges = items.flatMap((octets) => [
            octets.map(([a]) => a),
            octets.map(([, b]) => b),
            octets.map(([, b]) => Math.min(255, b + 1)),
          ]);
          for (const ip of [...asked, ...edges])
            expect(has(ip.join('.'))).toBe(
              items.some((octets) => octets.every(([a, b], at) => a <= (ip[at] ?? -1) && (ip[at] ?? -1) <= b)),
            );
        },
      ),
    );
  });

  test('joins what touches: many neighbours, asked at every seam', () => {
    const items = Array.from({ length: 300 }, (_, n) => `10.${n % 256}.${n < 256 ? 0 : 1}.0/24`);
    const { has } = setOf(...items, '10.0.0.0/23');
    expect([has('10.0.1.255'), has('10.43.1.5'), has('10.44.1.5'), has('10.255.0.9')]).toEqual([true, true, false, true]);
  });
});
