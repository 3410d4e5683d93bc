import { betweenWorkers, type Catalogue, durable, GIB, MIB } from './entry.ts';

const tiny = { maxMessages: 100_000, maxBytes: 64 * MIB };
const dated = { maxMessages: 1_000_000, maxBytes: 4 * GIB };
const dead = ['dead-code', 'dead-cause', 'dead-path', 'dead-message', 'dead-queue', 'dead-attempts', 'dead-first-at', 'dead-last-at'];

/**
 * From capture to the committed block, and the dead letters of the whole mesh. A publish over a
 * limit is refused (BROKER_QUEUE_FULL), so the worker before waits; in the end senders get 503.
 *
 * grouped → staged → created → saved → grouped is a cycle that cannot block itself. A chain has at
 * most one blueprint under way, so only `grouped` can fill up. Its consumer empties it as soon as
 * tails arrive, and tails have queues of their own.
 */
export const chainQueues = {
  ingress: {
    ...durable,
    ...dated,
    name: 'ingress',
    purpose: 'Captured blobs and request documents. The message id is the event id.',
    from: ['web-to-msg'],
    to: ['deploy'],
    body: 'bytes',
    meta: ['chain', 'createdAt', 'mime', 'charset', 'coding', 'language', 'length', 'crypt', 'hash', 'sha256', 'at', 'about'],
  },
  deployed: {
    ...durable,
    ...betweenWorkers,
    name: 'blobs.deployed.{p}',
    purpose: 'Receipts of stored blobs, one list for each chain and pack.',
    from: ['deploy'],
    to: ['grouper'],
    singleActive: true,
    schema: 'group',
    meta: ['chain', 'items'],
  },
  grouped: {
    ...durable,
    ...betweenWorkers,
    name: 'blobs.grouped.{p}',
    purpose: 'Groups of receipts that wait for the tail of their chain.',
    from: ['grouper', 'next-field'],
    to: ['msg-merge'],
    singleActive: true,
    schema: 'group',
    meta: ['chain', 'items'],
  },
  staged: {
    ...durable,
    ...betweenWorkers,
    name: 'blocks.staged.{p}',
    purpose: 'Blueprints: a tail and the groups of the next block.',
    from: ['msg-merge'],
    to: ['builder'],
    singleActive: true,
    schema: 'blueprint',
    meta: ['chain', 'tailsTo'],
  },
  created: {
    ...durable,
    ...betweenWorkers,
    name: 'blocks.newblockcreated',
    purpose: 'Blocks that are built. The body is the block object.',
    from: ['builder'],
    to: ['deploy'],
    body: 'bytes',
    meta: ['chain', 'height', 'prev', 'block', 'tailsTo', 'mime', 'length', 'crypt', 'hash'],
  },
  saved: {
    ...durable,
    ...betweenWorkers,
    name: 'blocks.newblocksaved.{p}',
    purpose: 'Blocks that are stored by their id and wait for their entry in the chain. The body is the block object.',
    from: ['deploy'],
    to: ['next-field'],
    singleActive: true,
    body: 'bytes',
    meta: ['chain', 'height', 'prev', 'block', 'tailsTo', 'mime', 'length', 'crypt', 'hash'],
  },
  committed: {
    ...durable,
    name: 'blocks.committed',
    purpose: 'Notices of blocks that are in their chain.',
    from: ['next-field'],
    to: ['shoveltomany'],
    maxMessages: 1_000_000,
    maxBytes: GIB,
    schema: 'committed',
    meta: ['chain', 'height', 'block'],
  },
  receipts: {
    ...durable,
    name: 'events.committed',
    purpose:
      'A receipt for each event that is in its chain. The message id is the event id. next-field gives them if its setting `receipts` names this queue.',
    from: ['next-field'],
    to: [],
    maxMessages: 1_000_000,
    maxBytes: GIB,
    schema: 'eventReceipt',
    meta: ['chain', 'height', 'block'],
  },
  tails: {
    ...durable,
    ...tiny,
    name: 'tails.{instance}',
    purpose: 'Tails for one instance of msg-merge. They are hints: a lost, doubled or stale tail only costs time.',
    from: ['next-field', 'builder', 'patchblock'],
    to: ['msg-merge'],
    kind: 'private',
    deadLetterTo: undefined,
    schema: 'tail',
    meta: ['chain', 'height'],
  },
  wanted: {
    ...durable,
    ...tiny,
    name: 'tails.wanted',
    purpose: 'Requests for the tail of a chain.',
    from: ['msg-merge'],
    to: ['patchblock'],
    schema: 'tailWanted',
    meta: ['chain', 'tailsTo'],
  },
  deadLetter: {
    ...durable,
    ...dated,
    name: 'dead-letter',
    deadLetterTo: 'dead-letter.kept',
    purpose: 'Messages that failed for good, with the reason. dead-letter tries to repair them.',
    from: ['every service'],
    to: ['dead-letter'],
    body: 'bytes',
    meta: dead,
  },
  kept: {
    ...durable,
    maxMessages: 1_000_000,
    maxBytes: 16 * GIB,
    name: 'dead-letter.kept',
    deadLetterTo: undefined,
    purpose: 'Dead letters that could not be repaired. The command `blockhub dead-letter` works on this queue.',
    from: ['dead-letter'],
    to: [],
    body: 'bytes',
    meta: dead,
  },
} as const satisfies Catalogue;
