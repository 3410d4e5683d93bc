import { describe, expect, test } from '@jest/globals';
import { chainText, readChain, readId } from './ids.ts';

const sha256 = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
const md5 = '900150983cd24fb0d6963f7d28e17f72';
const event = '017f22e2-79b0-7cc3-98c4-dc0c0c07398f';
const bare = event.replaceAll('-', '');

/** Ways in which the same digits come: from terminals, JSON, other tools, forms. */
const wraps: readonly ((id: string) => string)[] = [
  (id) => id,
  (id) => id.toUpperCase(),
  (id) => id.slice(0, 9).toUpperCase() + id.slice(9),
  (id) => ` ${id}`,
  (id) => `${id}\n`,
  (id) => `\t\r\n${id}\r\n`,
  (id) => `\u00a0${id}\u3000`,
  (id) => `\ufeff${id}`,
  (id) => `\u200b${id}\u200b`,
  (id) => `{${id}}`,
  (id) => `{ ${id.toUpperCase()} }`,
  (id) => `(${id})`,
  (id) => `<${id}>`,
  (id) => `[${id}]`,
  (id) => `"${id}"`,
  (id) => `'${id}'`,
  (id) => `\`${id}\``,
  (id) => `“${id}”`,
  (id) => `"${id}",`,
  (id) => `'{${id}}';`,
];
const hashLabels: Readonly<Record<string, readonly string[]>> = {
  sha256: ['sha256:', 'SHA256:', 'sha-256:', 'Sha-256:', 'sha256=', 'sha256: ', '"sha256:', '0x', 'B:', 'A:', 'b:', 'urn:sha256:'],
  md5: ['md5:', 'MD5:', 'md5=', 'MD5: '],
};

describe('a whole id is read', () => {
  test.each(wraps.map((wrap) => [wrap('…'), wrap] as const))('however it is written: %j', (_, wrap) => {
    expect(readId(wrap(sha256))).toEqual({ kind: 'id', hash: sha256 });
    expect(readId(wrap(md5))).toEqual({ kind: 'id', hash: md5 });
    expect(readId(wrap(event))).toEqual({ kind: 'id', event });
    expect(readChain(wrap(sha256))).toEqual({ id: sha256 });
    expect(readChain(wrap(md5))).toEqual({ id: md5 });
    expect(chainText(wrap(sha256))).toBe(sha256);
    for (const label of hashLabels.sha256 ?? [])
      expect([label, readId(label + wrap(sha256))]).toEqual([label, { kind: 'id', hash: sha256 }]);
    for (const label of hashLabels.md5 ?? []) expect([label, readChain(label + wrap(md5))]).toEqual([label, { id: md5 }]);
    for (const label of ['urn:uuid:', 'URN:UUID:', 'uuid:'])
      for (const id of [event, bare]) expect(readId(label + wrap(id))).toEqual({ kind: 'id', event });
  });

  test('32 digits without a label can be an MD5 and an event; a label decides', () => {
    expect(readId(bare)).toEqual({ kind: 'id', hash: bare, event });
    expect(readId(bare.toUpperCase())).toEqual({ kind: 'id', hash: bare, event });
    expect(readId(`md5:${bare}`)).toEqual({ kind: 'id', hash: bare });
    expect(readChain(bare)).toEqual({ id: bare });
  });
});

test.each<[string, { hash?: string; event?: string }]>([
  [sha256.slice(0, 8), { hash: sha256.slice(0, 8), event: 'ba7816bf' }],
  [sha256.slice(0, 8).toUpperCase(), { hash: sha256.slice(0, 8), event: 'ba7816bf' }],
  [`sha256:${sha256.slice(0, 8)}`, { hash: sha256.slice(0, 8) }],
  [`md5:${md5.slice(0, 10)}`, { hash: md5.slice(0, 10) }],
  [`sha256:${md5}`, { hash: md5 }],
  [sha256.slice(0, 33), { hash: sha256.slice(0, 33) }],
  [sha256.slice(0, 63), { hash: sha256.slice(0, 63) }],
  ['12345678', { hash: '12345678', event: '12345678' }],
  [bare.slice(0, 12), { hash: bare.slice(0, 12), event: '017f22e2-79b0' }],
  [bare.slice(0, 13), { hash: bare.slice(0, 13), event: '017f22e2-79b0-7' }],
  [`${bare.slice(0, 12)}4`, { hash: `${bare.slice(0, 12)}4` }],
  ['017f22e2-', { event: '017f22e2' }],
  ['017f22e2-79', { event: '017f22e2-79' }],
  ['017F22E2-79B0-7CC3-98C4', { event: '017f22e2-79b0-7cc3-98c4' }],
  ['urn:uuid:017f22e2', { event: '017f22e2' }],
])('the beginning of an id is read: %s', (text, part) => {
  const digits = Object.values(part)[0]?.replaceAll('-', '') ?? '';
  const wrong = digits.length < 28 ? {} : { wrong: expect.stringContaining(`has ${digits.length} hex digits`) };
  expect(readId(text)).toEqual({ kind: 'prefix', ...part, ...wrong });
});

describe('what is damaged gets a reason', () => {
  test.each<[string, RegExp]>([
    [`${sha256}0`, /has 65 hex digits, expected 64 \(SHA-256\) or 32 \(MD5, event id\)/],
    [`${sha256}${sha256}`, /has 128 hex digits/],
    [`md5:${sha256}`, /has 64 hex digits, expected 32/],
    [`md5:${md5}0`, /has 33 hex digits, expected 32/],
    [`sha256:${sha256}0`, /has 65 hex digits, expected 64/],
    [`uuid:${bare}0`, /has 33 hex digits, expected 32/],
    [sha256.replace('0', 'O'), /has the character "O" at position 11, which is not a hex digit; is it the digit 0\?/],
    [sha256.replace('1', 'l'), /character "l" at position 5.*digit 1/],
    [sha256.replace('8', 'x'), /character "x" at position 4, which is not a hex digit$/],
    [`  ${sha256.replace('8', 'x')}`, /at position 6,/],
    [`sha256:${sha256.replace('8', 'x')}`, /at position 11,/],
    [sha256.replace('a', 'а'), /character "а" \(U\+0430\) at position 2/],
    [sha256.replace('0', '０'), /\(U\+FF10\)/],
    [`${sha256.slice(0, 20)} ${sha256.slice(20)}`, /character " " at position 21/],
    [`${sha256.slice(0, 32)}\n${sha256.slice(32)}`, /character "\\n" at position 33/],
    [`${sha256.slice(0, 12)}…`, /is cut off by "…"/],
    [`${sha256.slice(0, 12)}...`, /is cut off by "\.\.\."/],
    [`${sha256.slice(0, 6)}…${sha256.slice(-6)}`, /is cut off/],
    [`"${event.slice(0, 13)}…"`, /is cut off/],
    [`${event}0`, /has 33 hex digits and dashes/],
    [event.replace('-7', '7'), /dashes in other places than an event id, from position 9 on: expected 017f22e2-79b0-7cc3/],
    [`${sha256.slice(0, 32)}-${sha256.slice(32)}`, /has 64 hex digits and dashes/],
    [`sha256:${event}`, /has a dash, which no hash has/],
    [event.replace('-7c', '-4c'), /UUID of version 4, but event ids are UUIDs of version 7/],
    [`uuid:${md5}`, /UUID of version 4/],
    [event.replace('f', 'g'), /character "g" at position 4.*digit 9/],
    [`sha1:${sha256.slice(0, 40)}`, /hash of another kind/],
    [`sha-512:${sha256}${sha256}`, /hash of another kind/],
    ['sha256:abc', /has 3 hex digits, expected at least 8/],
    ['sha256:xyz', /character "x" at position 8/],
  ])('%j', (text, reason) => {
    expect(readId(text)).toEqual({ kind: 'wrong', wrong: expect.stringMatching(reason), meant: true });
  });

  test.each([
    '',
    ' ',
    '""',
    'x',
    'default',
    'orders-2026',
    '1234567',
    'dead',
    '../../etc/passwd',
    'https://host/',
    'z'.repeat(5_000),
    '{}',
    '-',
    'naïve',
  ])('and what does not look like one is something else: %j', (text) => {
    expect(readId(text)).toMatchObject({ kind: 'wrong', meant: false });
    expect(readChain(text).wrong).toBeUndefined();
  });
});

describe('a chain is named', () => {
  test.each<[string, object]>([
    ['default', { name: 'default' }],
    ['orders-2026', { name: 'orders-2026' }],
    ['dead', { name: 'dead' }],
    ['deadbeef', { name: 'deadbeef', prefix: 'deadbeef' }],
    ['DEADBEEF', { prefix: 'deadbeef' }],
    ['20260501', { name: '20260501', prefix: '20260501' }],
    // An ObjectId, a UUID and a host name are good names.
    ['65f1c0ffee65f1c0ffee65f1', { name: '65f1c0ffee65f1c0ffee65f1', prefix: '65f1c0ffee65f1c0ffee65f1' }],
    [event, { name: event }],
    [event.replace('-7c', '-4c'), { name: event.replace('-7c', '-4c') }],
    [`${sha256.slice(0, 40)}.example`, { name: `${sha256.slice(0, 40)}.example` }],
    ['', {}],
    ['Default', {}],
    ['no such name', {}],
  ])('%j', (text, read) => {
    expect(readChain(text)).toEqual(read);
    expect(chainText(text)).toBe(text);
  });

  test.each([
    [sha256.slice(1), /has 63 hex digits/],
    [md5.slice(1), /has 31 hex digits/],
    [`${md5}0`, /has 33 hex digits/],
    [`${sha256}0`, /has 65 hex digits/],
    [sha256.replace('0', 'o').slice(0, 63), /character "o"/],
    [sha256.replace('0', 'O'), /character "O"/],
    [`${sha256.slice(0, 10)}...`, /cut off/],
    [`${sha256.slice(0, 10)}…`, /cut off/],
    ['BA7816O8', /character "O" at position 7/],
  ])('a damaged id may be a name, but is said to be no id: %j', (text, reason) => {
    const read = readChain(text);
    expect(read.id).toBeUndefined();
    expect(read.wrong).toMatch(reason);
  });
});

test('reading takes no time that grows faster than the text', () => {
  for (const text of [
    `${'{'.repeat(900)}x`,
    'sha256:'.repeat(140),
    '"'.repeat(1_000),
    `${' '.repeat(990)}x${' '.repeat(5)}`,
    '-'.repeat(999),
  ])
    expect(readId(text).kind).toBe('wrong');
});
