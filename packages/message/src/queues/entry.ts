import type { SchemaName } from '../schemas.ts';

/** One queue, or a family: `{p}` in the name is every partition, `{instance}` one of a worker. */
export interface QueueEntry {
  readonly name: string;
  readonly purpose: string;
  /** Services that publish to it. */
  readonly from: readonly string[];
  /** Services that consume from it. */
  readonly to: readonly string[];
  /** Private: exclusive to one connection, deleted with it, kept in memory. */
  readonly kind: 'durable' | 'private';
  /** Only the oldest consumer gets messages, so one process remembers and handles a chain. */
  readonly singleActive: boolean;
  readonly maxMessages: number;
  readonly maxBytes: number;
  /** Queue where the broker puts a message whose consumers fail again and again. */
  readonly deadLetterTo: string | undefined;
  readonly body: 'bytes' | 'json';
  /** Schema of a JSON body. */
  readonly schema?: SchemaName;
  /** Names of meta that its messages carry, in addition to descriptive ones. */
  readonly meta: readonly string[];
}

/** One group of places has one catalogue: the queues that its places take from, give to and own. */
export type Catalogue = Readonly<Record<string, QueueEntry>>;

export const MIB = 2 ** 20;
export const GIB = 2 ** 30;

/** What most shared queues have in common. */
export const durable = { kind: 'durable', singleActive: false, body: 'json', deadLetterTo: 'dead-letter' } as const;

/** Limits of a queue between two workers. */
export const betweenWorkers = { maxMessages: 100_000, maxBytes: GIB } as const;
