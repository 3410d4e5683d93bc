import type { QueueDeclaration } from '@blockhub/broker';
import { chainQueues } from './chain.ts';
import type { Catalogue, QueueEntry } from './entry.ts';

/** The queues of each group of places, by the name of the group. A queue is in one catalogue. */
export const catalogues = { chain: chainQueues } as const satisfies Record<string, Catalogue>;

/** The queues of the group `chain`, which every mesh has. */
export const queues = chainQueues;

/** Every queue of the groups with these names, of all groups by default. */
export const queueEntries = (groups: readonly string[] = Object.keys(catalogues)): QueueEntry[] =>
  groups.flatMap((group) => Object.values<QueueEntry>((catalogues as Readonly<Record<string, Catalogue>>)[group] ?? {}));

/** The queues of a name in which `{p}` stands for every partition. `{instance}` gives none. */
export function queueNames(name: string, partitions: number): string[] {
  if (name.includes('{instance}')) return [];
  if (!name.includes('{p}')) return [name];
  return Array.from({ length: partitions }, (_, p) => name.replace('{p}', String(p)));
}

/** How to declare a queue of an entry. */
export function declaration(entry: QueueEntry, name: string): QueueDeclaration {
  const { kind, singleActive, maxMessages, maxBytes, deadLetterTo } = entry;
  return { name, kind, ...(singleActive ? { singleActive } : {}), maxMessages, maxBytes, ...(deadLetterTo ? { deadLetterTo } : {}) };
}

const partitionField = /\{partition\([^{}]*\)\}/;

/**
 * Declarations of the shared queues of these groups of places; with `names` only those of these
 * names, where `{p}` and `{partition(…)}` are every partition. Names without a queue give none.
 */
export function declarations(partitions: number, names?: readonly string[], groups?: readonly string[]): QueueDeclaration[] {
  const wanted = names && new Set(names.map((name) => name.replace(partitionField, '{p}')));
  return queueEntries(groups).flatMap((entry) =>
    queueNames(entry.name, partitions)
      .filter((name) => !wanted || wanted.has(entry.name) || wanted.has(name))
      .map((name) => declaration(entry, name)),
  );
}
