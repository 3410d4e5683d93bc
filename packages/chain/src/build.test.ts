import { createHash } from 'node:crypto';
import { BlockhubError } from '@blockhub/errors';
import { describe, expect, test } from '@jest/globals';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { buildBlock, buildRoot } from './build.ts';
import { eventTime } from './event.ts';
import { blockId, parseBlock, tailOf } from './parse.ts';
import { crypts, groups, START, sampleReceipt, sampleRoot, sampleTail } from './samples.ts';
import type { Receipt, RootOptions, Tail } from './types.ts';

const salt = '0'.repeat(32);
const sum = (crypt: string, text: string): string => createHash(crypt).update(text).digest('hex');
const linesOf = (bytes: Buffer): string[] => bytes.toString().split('\n');
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

function failure(run: () => unknown): unknown[] {
  try {
    run();
  } catch (error) {
    if (error instanceof BlockhubError) return [error.code, error.details.path];
    throw error;
  }
  return [];
}

/** What the encoder makes by hand, made from the definition. */
function lineOf(tail: Tail, receipts: readonly Receipt[]): string | undefined {
  const sorted = receipts.toSorted((a, b) => (a.event < b.event ? -1 : 1));
  const time = Math.max(tail.time, ...sorted.map(({ event }) => eventTime(event)));
  const blobs = sorted.map(({ at: _at, meta: _meta, ...item }) => item);
  return canonicalize({
    v: 1,
    chain: tail.chain,
    height: tail.height + 1,
    prev: tail.id,
    ...(tail.sha256 && { prevSha256: tail.sha256 }),
    time,
    blobs,
  });
}

describe('buildBlock', () => {
  test('the first line is canonical JSON of the fields, its hash the id; the second says its own hash', () => {
    fc.assert(
      fc.property(crypts, groups, (crypt, group) => {
        const tail = sampleTail(crypt);
        const built = buildBlock(tail, group);
        const [line = '', beside = '', end, ...more] = linesOf(built.bytes);
        expect([end, more]).toEqual(['', []]);
        expect(line).toBe(lineOf(tail, group));
        expect(built.id).toBe(sum(crypt, line));
        expect(built.sha256).toBe(crypt === 'md5' ? sum('sha256', line) : undefined);
        expect(beside.slice(0, 65)).toBe(`${sum('sha256', beside.slice(65))} `);
        expect(built.items).toBe(group.length);
      }),
    );
  });

  test('reading gives back what was built, in the order of events', () => {
    fc.assert(
      fc.property(crypts, groups, (crypt, group) => {
        const tail = sampleTail(crypt);
        const { bytes, items: _items, ...built } = buildBlock(tail, group);
        const block = parseBlock(bytes);
        expect(block).toMatchObject({ ...built, prev: tail.id, crypt });
        expect(block.blobs).toEqual(plain(group.toSorted((a, b) => (a.event < b.event ? -1 : 1))));
        expect(block.prevSha256).toBe(tail.sha256);
        expect(blockId(bytes)).toBe(built.id);
        const second = buildBlock(tailOf(block), [sampleReceipt(crypt, 1)]);
        expect(parseBlock(second.bytes)).toMatchObject({ prev: built.id, height: 2, time: Math.max(built.time, START + 1) });
      }),
    );
  });

  test('the order of the receipts, the order of an item’s fields, place and meta do not change the id', () => {
    fc.assert(
      fc.property(crypts, groups, (crypt, group) => {
        const tail = sampleTail(crypt);
        const copy = group
          .toReversed()
          .map((receipt) => ({ ...Object.fromEntries(Object.entries(receipt).reverse()), at: { key: 'other' }, meta: {} }) as Receipt);
        expect(buildBlock(tail, copy).id).toBe(buildBlock(tail, group).id);
        expect(buildBlock(tail, group.toReversed()).bytes).toEqual(buildBlock(tail, group).bytes);
      }),
    );
  });

  test('each committed field changes the id', () => {
    const tail = sampleTail('md5');
    const receipt = sampleReceipt('md5', 3);
    const other = sampleReceipt('md5', 4);
    const sibling = tailOf(buildRoot({ crypt: 'md5', salt, time: START }));
    const second = { ...tail, height: 7, id: sibling.id };
    const ids = [
      buildBlock(tail, [receipt]),
      buildBlock(sibling, [receipt]),
      buildBlock({ ...tail, sha256: sibling.sha256 as string }, [receipt]),
      buildBlock({ ...tail, time: tail.time + 1_000 }, [receipt]),
      buildBlock(second, [receipt]),
      buildBlock({ ...second, height: 8 }, [receipt]),
      buildBlock(tail, [{ ...receipt, event: other.event }]),
      buildBlock(tail, [{ ...receipt, hash: other.hash }]),
      buildBlock(tail, [{ ...receipt, sha256: other.sha256 as string }]),
      buildBlock(tail, [{ ...receipt, length: 77 }]),
      buildBlock(tail, [receipt, other]),
    ].map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('keys are written once, in the order of first use', () => {
    const at = [{ key: 'b', offset: 0 }, { key: 'a' }, { key: 'b', offset: 9 }];
    const { bytes } = buildBlock(
      sampleTail('sha256'),
      at.map((place, index) => ({ ...sampleReceipt('sha256', index, {}), at: place })),
    );
    expect(linesOf(bytes)[1]?.slice(65)).toBe('{"keys":["b","a"],"blobs":[[0,0,{}],[1,null,{}],[0,9,{}]]}');
    expect(parseBlock(bytes).blobs.map((receipt) => receipt.at)).toEqual(at);
  });

  const receipt = sampleReceipt('sha256', 1);
  const tail = sampleTail('sha256');
  const bad: [path: string, tail: Tail, receipts: Receipt[]][] = [
    ['/blobs', tail, []],
    ['/blobs/1/event', tail, [receipt, receipt]],
    ['/blobs/0/event', tail, [{ ...receipt, event: '"' }]],
    ['/blobs/0/hash', tail, [{ ...receipt, hash: `${receipt.hash.slice(0, 62)}",` }]],
    ['/blobs/0/length', tail, [{ ...receipt, length: 0.5 }]],
    ['/blobs/0/meta/hash', tail, [{ ...receipt, meta: { hash: 'x' } }]],
    ['/blobs/0/meta/a', tail, [{ ...receipt, meta: { a: Number.POSITIVE_INFINITY } }]],
    ['/blobs/0/at/key', tail, [{ ...receipt, at: { key: '' } }]],
    ['/crypt', { ...tail, crypt: 'md5' }, [receipt]],
    ['/chain', { ...tail, chain: 'orders' }, [receipt]],
    ['/prev', { ...tail, id: 'ab' }, [receipt]],
    ['/prev', { ...tail, height: 1 }, [receipt]],
    ['/prev', { ...tail, id: '0'.repeat(64) }, [receipt]],
    ['/height', { ...tail, height: -1 }, [receipt]],
    ['/height', { ...tail, height: 999_999_999_999, id: '0'.repeat(64) }, [receipt]],
    ['/time', { ...tail, time: Number.NaN }, [receipt]],
    ['/prevSha256', { ...tail, sha256: tail.id }, [receipt]],
    ['/prevSha256', { ...sampleTail('md5'), sha256: 'x' }, [receipt]],
  ];
  test.each(bad)('%s is named when it is wrong', (path, badTail, receipts) => {
    expect(failure(() => buildBlock(badTail, receipts))).toEqual(['BLOCK_INVALID', path]);
  });
});

describe('buildRoot', () => {
  test('the first line is canonical JSON, and everything comes back', () => {
    const payload = fc.jsonValue({ stringUnit: 'binary' }).filter((value) => {
      const numbers =
        JSON.stringify(value)
          .replaceAll(/"(?:[^"\\]|\\.)*"/g, '')
          .match(/-?\d[\d.e+-]*/g) ?? [];
      return numbers.every((number) => Number.isSafeInteger(Number(number)));
    });
    const name = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,20}$/);
    fc.assert(
      fc.property(
        crypts,
        fc.option(payload, { nil: undefined }),
        fc.option(name, { nil: undefined }),
        fc.option(fc.boolean(), { nil: undefined }),
        (crypt, given, called, requests) => {
          const fields = {
            crypt,
            salt,
            ...(called !== undefined && { name: called }),
            ...(given !== undefined && { payload: given }),
            settings: requests === undefined ? {} : { requests },
          };
          const built = buildRoot({ ...fields, time: START });
          const [line = '', beside = ''] = linesOf(built.bytes);
          expect(line).toBe(canonicalize({ ...fields, v: 1, blobs: [], chain: null, height: 0, prev: null, time: START }));
          expect(beside.slice(65)).toBe('{"keys":[],"blobs":[]}');
          expect(built.id).toBe(sum(crypt, line));
          const block = parseBlock(built.bytes);
          expect(block).toMatchObject({ id: built.id, chain: built.id, prev: null, height: 0, time: START, crypt, blobs: [] });
          expect(block.root).toEqual(plain(fields));
          expect(blockId(built.bytes)).toBe(built.id);
          expect(tailOf(block)).toEqual(tailOf(built));
        },
      ),
    );
  });

  test('salt alone makes two roots', () => {
    expect(buildRoot({ salt, time: 0 }).id).not.toBe(buildRoot({ salt: '1'.repeat(32), time: 0 }).id);
    expect(sampleRoot('sha256').chain).toBe(sampleRoot('sha256').id);
  });

  let deep: unknown = 1;
  for (let depth = 0; depth < 100_000; depth++) deep = [deep];
  const bad: [path: string, options: Partial<RootOptions>][] = [
    ['/salt', { salt: '00' }],
    ['/salt', { salt: 'G'.repeat(32) }],
    ['/time', { time: -1 }],
    ['/time', { time: 1.5 }],
    ['/name', { name: 'Orders' }],
    ['/name', { name: '' }],
    ['/name', { name: '0'.repeat(32) }],
    ['/name', { name: 'a'.repeat(64) }],
    ['/crypt', { crypt: 'sha1' as 'md5' }],
    ['/settings/colour', { settings: { colour: true } as object }],
    ['/settings/requests', { settings: { requests: 1 } as object }],
    ['/payload/a/1', { payload: { a: [1, 0.5] } }],
    ['/payload', { payload: 2 ** 53 }],
    ['/payload', { payload: '\ud800' }],
    ['/payload', { payload: { '\ud800': 1 } }],
    ['/payload/a', { payload: { a: undefined } }],
    ['/payload', { payload: new Date(0) }],
    ['/payload', { payload: 1n }],
    [`/payload${'/0'.repeat(65)}`, { payload: deep }],
  ];
  test.each(bad.map(([path, options]) => [path, () => buildRoot({ salt, time: START, ...options })] as const))(
    '%s is named when it is wrong',
    (path, build) => {
      expect(failure(build)).toEqual(['CHAIN_INVALID', path]);
    },
  );
});
