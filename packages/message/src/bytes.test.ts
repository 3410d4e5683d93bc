import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { joinArrays, mergeMessages } from './bytes.ts';
import { invalidAt, thrownBy } from './fixtures.ts';

const json = (value: unknown, space?: number): Buffer => Buffer.from(JSON.stringify(value, null, space));

test('joins arrays as a parser would', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.array(fc.jsonValue()), fc.integer({ min: 0, max: 3 }))), (lists) => {
      const joined = joinArrays(lists.map(([list, space]) => json(list, space)));
      expect(joined.toString()).toEqual(joined.toString().trim());
      expect(JSON.parse(joined.toString())).toEqual(JSON.parse(JSON.stringify(lists.flatMap(([list]) => list))));
    }),
  );
});

test('gives a single compact array back as it is', () => {
  const only = json([1, 2]);
  expect(joinArrays([only])).toBe(only);
  expect(joinArrays([]).toString()).toBe('[]');
  expect(
    joinArrays([Buffer.from(' [ ] '), Buffer.from('[\n1\t]\r\n')])
      .toString()
      .replaceAll(/\s/g, ''),
  ).toBe('[1]');
});

test.each(['', '[', ']', '{}', '[1', '1]', '""', '  '])('refuses %p', (text) => {
  for (const list of [[Buffer.from(text)], [json([1]), Buffer.from(text)]]) {
    expect(thrownBy(() => joinArrays(list))).toMatchObject(invalidAt('msg.doc'));
  }
});

test('merges bodies under their tags without a change, and sums up items', () => {
  const raw = Buffer.from('{"big":12345678901234567890,"s":"\\u00e9é"}');
  const { meta, body } = mergeMessages({
    'ta"g': { body: raw, meta: { chain: 'c', n: 1 } },
    none: [],
    list: [
      { body: json([1]), meta: { items: 2 } },
      { body: json([2]), meta: { n: 2, items: 3 } },
    ],
  });
  expect(meta).toEqual({ chain: 'c', n: 2, items: 5 });
  expect(body.includes(raw)).toBe(true);
  expect(JSON.parse(body.toString())).toEqual({
    'ta"g': { msg: JSON.parse(raw.toString()), meta: { chain: 'c', n: 1 } },
    none: [],
    list: [
      { msg: [1], meta: { items: 2 } },
      { msg: [2], meta: { n: 2, items: 3 } },
    ],
  });
  expect(mergeMessages({})).toEqual({ meta: {}, body: Buffer.from('{}') });
});
