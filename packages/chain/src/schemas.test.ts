import { describe, expect, test } from '@jest/globals';
import { Ajv, type ValidateFunction } from 'ajv';
import fc from 'fast-check';
import { buildBlock } from './build.ts';
import { parseBlock, tailOf } from './parse.ts';
import { crypts, groups, sampleReceipt, sampleRoot } from './samples.ts';
import { schemas } from './schemas.ts';
import type { BuiltBlock, Crypt, Receipt, Tail } from './types.ts';

type Name = keyof typeof schemas;
type Json = Record<string, unknown>;

const names = Object.keys(schemas) as Name[];
const compiled = Object.fromEntries(names.map((name) => [name, new Ajv({ strict: true }).compile(schemas[name])])) as Record<
  Name,
  ValidateFunction
>;
/** The schemas that a document satisfies. */
const fits = (document: unknown): Name[] => names.filter((name) => compiled[name](document));
const plain = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

const itemOf = ({ at: _at, meta, ...item }: Receipt): Json => ({ ...meta, ...item });

/** A block as readers print it. */
function printed(built: BuiltBlock, next?: string | null): Json {
  const { chain, id, prev, height, time, blobs } = parseBlock(built.bytes);
  return plain({ chain, id, prev, ...(next === undefined ? {} : { next }), height, time, blobs: blobs.map(itemOf) });
}

/** One document of each kind, of one chain. */
function documents(crypt: Crypt, group: readonly Receipt[] = [sampleReceipt(crypt, 1), sampleReceipt(crypt, 2)]): Record<string, Json> {
  const root = sampleRoot(crypt);
  const link = buildBlock(tailOf(root), group);
  const tail = buildBlock(tailOf(link), [sampleReceipt(crypt, 3)]);
  const { next: _next, height: _height, ...fresh } = printed(tail);
  const part = (msg: unknown): Json => ({ msg, meta: { chain: root.id, createdAt: 1 } });
  return {
    'root with a next': printed(root, link.id),
    'root that is the tail': printed(root, null),
    'link with a next': printed(link, tail.id),
    'link that is the tail': printed(tail, null),
    'block before it has a height': fresh,
    'blob of a block': itemOf(group[0] as Receipt),
    receipt: plain(group[0] as Receipt) as unknown as Json,
    'tail message': tailOf(link) as Tail & Json,
    blueprint: plain({ tail: part(tailOf(root)), group: [part(group), part([sampleReceipt(crypt, 4)])] }),
    'stitch before': { tail: printed(link, null), new: fresh },
    'first stitch before': { tail: printed(root), new: fresh },
    'stitch after': { link: printed(link, tail.id), tail: printed(tail, null) },
    'first stitch after': { link: printed(root, link.id), tail: printed(link, null) },
  };
}

const wanted: Record<string, Name[]> = {
  'root with a next': ['Block', 'RootBlock'],
  'root that is the tail': ['Block', 'RootBlock', 'TailBlock'],
  'link with a next': ['Block', 'LinkBlock'],
  'link that is the tail': ['Block', 'TailBlock'],
  'block before it has a height': ['NewBlock'],
  'blob of a block': ['BlobItem'],
  receipt: ['Receipt'],
  'tail message': ['Tail'],
  blueprint: ['Blueprint'],
  'stitch before': ['BeforeStitch'],
  'first stitch before': ['BeforeStitch'],
  'stitch after': ['AfterStitch'],
  'first stitch after': ['AfterStitch'],
};

describe('each schema', () => {
  test.each(names)('%s is draft-07, and can be compiled alone by a strict reader', (name) => {
    const ajv = new Ajv({ strict: true });
    expect([ajv.validateSchema({ $schema: 'http://json-schema.org/draft-07/schema#', ...schemas[name] }), ajv.errors]).toEqual([
      true,
      null,
    ]);
    expect(JSON.stringify(schemas[name])).not.toContain('$ref');
    expect(ajv.compile(plain(schemas[name]))).toBeInstanceOf(Function);
  });

  test.each(['sha256', 'md5'] as const)('takes what is built for it, and nothing else (%s)', (crypt) => {
    const found = Object.entries(documents(crypt)).map(([what, document]) => [what, fits(document)]);
    expect(Object.fromEntries(found)).toEqual(wanted);
  });

  test('takes whatever blobs the builder takes', () => {
    fc.assert(
      fc.property(crypts, groups, (crypt, group) => {
        const found = Object.entries(documents(crypt, group)).map(([what, document]) => [what, fits(document)]);
        expect(Object.fromEntries(found)).toEqual(wanted);
      }),
    );
  });
});

/** What a field becomes; undefined: it is not one of those that are changed. */
type Change = (name: string, value: unknown) => unknown;
const gone = Symbol('gone');

/** Every document that differs in one field, however deep. */
function* changed(value: unknown, change: Change): Generator<[path: string, document: unknown]> {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, field] of Object.entries(value)) {
    const put = (other: unknown): unknown => (Array.isArray(value) ? value.with(Number(name), other) : { ...value, [name]: other });
    const { [name]: _, ...rest } = value as Json;
    const other = Array.isArray(value) ? undefined : change(name, field);
    if (other !== undefined) yield [`/${name}`, other === gone ? rest : put(other)];
    for (const [path, deeper] of changed(field, change)) yield [`/${name}${path}`, put(deeper)];
  }
}

function* allChanged(change: Change): Generator<{ what: string; path: string; found: Name[] }> {
  for (const crypt of ['sha256', 'md5'] as const)
    for (const [what, document] of Object.entries(documents(crypt)))
      for (const [path, other] of changed(document, change)) yield { what, path, found: fits(other) };
}

const ofIds =
  (change: (value: string) => unknown): Change =>
  (name, value) =>
    typeof value === 'string' && ['id', 'chain', 'prev', 'next', 'hash', 'sha256', 'event'].includes(name) ? change(value) : undefined;
const ofNumbers =
  (other: number): Change =>
  (name) =>
    ['height', 'time', 'length', 'offset'].includes(name) ? other : undefined;

describe('no schema takes', () => {
  test.each<[what: string, change: Change]>([
    ['an id in upper case', ofIds((value) => `A${value.slice(1).toUpperCase()}`)],
    ['an id with a digit too many', ofIds((value) => `${value}0`)],
    ['an id that is not a text', ofIds(() => 7)],
    ['a negative number', ofNumbers(-1)],
    ['a fraction', ofNumbers(1.5)],
    ['a number that is not exact', ofNumbers(2 ** 53)],
    ['another hash function', (name) => (name === 'crypt' ? 'sha1' : undefined)],
    ['meta that is not flat', (name) => (name === 'mime' ? { type: 'text' } : undefined)],
    ['a list that is none', (name) => (['blobs', 'group'].includes(name) ? {} : undefined)],
    ['a blob less than one', (name, value) => (name === 'blobs' && (value as []).length > 0 ? [] : undefined)],
    ['null in place of a value', (name, value) => (value === null || ['prev', 'next'].includes(name) ? undefined : null)],
  ])('%s', (_, change) => {
    // The meta of a message is its own affair.
    const all = [...allChanged(change)].filter(({ path }) => !/^\/(tail|group\/\d+)\/meta\//.test(path));
    expect(all.length).toBeGreaterThan(3);
    expect(all.filter(({ found }) => found.length > 0)).toEqual([]);
  });

  test('a sha256 beside a sha256, or an md5 without one', () => {
    const blob = itemOf(sampleReceipt('sha256', 1));
    expect(fits({ ...blob, sha256: blob.hash })).toEqual([]);
    expect(fits({ ...blob, crypt: 'md5' })).toEqual([]);
  });

  test('a field that only others have', () => {
    const { receipt, blueprint } = documents('sha256');
    expect(fits({ ...receipt, mime: 'text/plain' })).toEqual([]);
    expect(fits({ ...blueprint, more: 1 })).toEqual([]);
    for (const name of ['event', 'chain', 'createdAt']) expect(fits({ ...receipt, meta: { [name]: 'x' } })).toEqual([]);
  });

  test('a document without one of its fields, except these', () => {
    const spare = [...allChanged(() => gone)]
      .flatMap(({ what, path, found }) => found.filter((name) => wanted[what]?.includes(name)).map((name) => `${name}${path}`))
      .filter((path) => !/\/meta\/|\/mime$/.test(path))
      .map((path) => path.replaceAll(/\/\d+/g, '/*'));
    expect([...new Set(spare)].toSorted()).toEqual([
      'AfterStitch/link/time',
      'AfterStitch/tail/next',
      'AfterStitch/tail/time',
      'BeforeStitch/new/id',
      'BeforeStitch/new/time',
      'BeforeStitch/tail/next',
      'BeforeStitch/tail/time',
      'Blueprint/group/*/msg/*/at/offset',
      'LinkBlock/time',
      'NewBlock/id',
      'NewBlock/time',
      'Receipt/at/offset',
      'RootBlock/next',
      'RootBlock/time',
      'TailBlock/next',
      'TailBlock/time',
    ]);
  });
});
