import { describe, expect, test } from '@jest/globals';
import { take } from '../fixtures.ts';
import { metaNames } from '../meta.ts';
import { messageSchemas } from '../schemas.ts';
import { template } from '../template.ts';
import { catalogues, declarations, queueEntries, queueNames, queues } from './catalogues.ts';

const entries = queueEntries();

test('without a group it lists the queues of all groups, in the order of the catalogues', () => {
  expect(entries).toEqual(Object.keys(catalogues).flatMap((group) => queueEntries([group])));
  expect(queueEntries(['chain'])).toEqual(Object.values(queues));
});

test('names partitions, and leaves those of an instance to the instance', () => {
  expect(queueNames(queues.deployed.name, 3)).toEqual(['blobs.deployed.0', 'blobs.deployed.1', 'blobs.deployed.2']);
  expect(queueNames(queues.ingress.name, 3)).toEqual(['ingress']);
  expect(queueNames(queues.tails.name, 3)).toEqual([]);
});

test('a template gives one of the queues of a partitioned entry', () => {
  for (const chain of ['a', 'b', 'c', 'd', 'e']) {
    const byTemplate = template('blobs.grouped.{partition(msg.meta.chain)}').queue(take({ meta: { chain } }), { partitions: 5 });
    expect(queueNames(queues.grouped.name, 5)).toContain(byTemplate);
  }
});

test('a queue stands in one catalogue, and a group without a catalogue has no queues', () => {
  const names = entries.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(queueEntries(['nothing'])).toEqual([]);
});

describe('declarations', () => {
  test('every shared queue once, with limits', () => {
    const declared = declarations(2);
    const names = declared.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    const shared = entries.filter(({ kind }) => kind === 'durable');
    const partitioned = shared.filter(({ name }) => name.includes('{p}'));
    expect(names).toHaveLength(shared.length + partitioned.length);
    for (const { maxMessages, maxBytes, kind } of declared) {
      expect(kind).toBe('durable');
      expect(maxMessages).toBeGreaterThan(0);
      expect(maxBytes).toBeGreaterThan(0);
    }
    expect(declared.find(({ name }) => name === 'ingress')).toEqual({
      name: 'ingress',
      kind: 'durable',
      maxMessages: 1_000_000,
      maxBytes: 4 * 2 ** 30,
      deadLetterTo: 'dead-letter',
    });
  });

  test('what kills its consumers goes to the dead letters, from there it is kept, and there it stays', () => {
    const declared = declarations(2);
    const names = new Set(declared.map(({ name }) => name));
    for (const { name, deadLetterTo } of declared) {
      const expected = { 'dead-letter': 'dead-letter.kept', 'dead-letter.kept': undefined };
      expect(deadLetterTo).toBe(name in expected ? expected[name as keyof typeof expected] : 'dead-letter');
      if (deadLetterTo) expect(names).toContain(deadLetterTo);
    }
  });

  test('are those of the names that are asked for, with all their partitions', () => {
    const namesOf = (...names: string[]): string[] => declarations(2, names).map(({ name }) => name);
    expect(namesOf('ingress', 'blobs.deployed.{partition(msg.meta.chain)}')).toEqual(['ingress', 'blobs.deployed.0', 'blobs.deployed.1']);
    expect(namesOf('blobs.grouped.{p}', 'blobs.deployed.1')).toEqual(['blobs.deployed.1', 'blobs.grouped.0', 'blobs.grouped.1']);
    expect(namesOf('blobs.deployed.2', 'tails.{instance}', '{msg.meta.chain}_chain', 'mine')).toEqual([]);
    expect(declarations(2, ['blobs.grouped.1'])).toEqual(declarations(2).filter(({ name }) => name === 'blobs.grouped.1'));
  });

  test('partitions have a single active consumer, nothing else has', () => {
    const single = declarations(1).filter(({ singleActive }) => singleActive);
    const partitioned = entries.filter(({ name }) => name.includes('{p}')).map(({ name }) => name.replace('{p}', '0'));
    expect(single.map(({ name }) => name)).toEqual(partitioned);
  });
});

test('every JSON queue has a schema that exists, every meta name is known', () => {
  for (const { name, body, schema, meta } of entries) {
    expect([name, schema === undefined]).toEqual([name, body === 'bytes']);
    if (schema) expect(messageSchemas).toHaveProperty(schema);
    for (const known of meta) expect(metaNames).toHaveProperty([known]);
  }
});
