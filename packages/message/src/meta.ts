import type { Meta } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import { invalid } from './message.ts';

/** Every meta name that has a meaning of its own; others are descriptive and travel untouched into the receipt. */
export const metaNames = {
  about: 'Event id that this message describes (request documents).',
  at: 'Object key of a body that is too large for the broker; the body is empty then.',
  block: 'Id of the block.',
  chain: 'Id of the chain.',
  charset: 'Charset that the sender declared, lower case.',
  coding: 'Content codings that the body has on, in the order in which they were applied, lower case: `gzip`, or `deflate, br`.',
  createdAt: 'When the event was captured, in ms.',
  crypt: 'Hash function of `hash`: sha256 or md5.',
  hash: 'Hash of the body, lower-case hex.',
  height: 'Height of the block.',
  items: 'How many receipts a group holds.',
  language: 'Languages that the sender declared.',
  length: 'Length of the body in bytes.',
  mime: 'MIME type that the sender declared; absent where it cannot be read.',
  mimeMismatch: 'True where `sniffed` is another type than `mime`.',
  prev: 'Id of the block before.',
  sha256: 'SHA-256 of the body where crypt is not sha256.',
  sniffed: 'MIME type that the bytes of the body have inside of their coding, where they have one.',
  source: 'Where the sender says it comes from.',
  subject: 'Who sent it, as far as authentication knows.',
  tailsTo: 'Queue that waits for the tail of this chain.',
  traceparent: 'W3C trace context: of the request, and from stage to stage of what was made from it.',
  'dead-attempts': 'Dead letters: how often it was tried.',
  'dead-cause': 'Dead letters: code of the error behind the error code, e.g. what failed each time.',
  'dead-code': 'Dead letters: error code.',
  'dead-first-at': 'Dead letters: when it was first tried, in ms.',
  'dead-last-at': 'Dead letters: when it failed last, in ms.',
  'dead-message': 'Dead letters: what the error said.',
  'dead-path': 'Dead letters: where in the message, e.g. `msg.doc.3.hash`.',
  'dead-queue': 'Dead letters: the queue it came from.',
} as const satisfies Record<string, string>;

export type MetaName = keyof typeof metaNames;

/** Limit of all meta of a captured message. The AMQP cliff is at 64 KiB; later stages add less than the difference. */
export const MAX_META_BYTES = 32 * 1024;

/** Roughly what meta takes on the wire: names, values and 8 bytes each. */
export function metaBytes(meta: Meta): number {
  let bytes = 0;
  for (const name in meta) {
    const value = meta[name];
    bytes += Buffer.byteLength(name) + 8 + (typeof value === 'string' ? Buffer.byteLength(value) : 8);
  }
  return bytes;
}

/** Throws MESSAGE_INVALID when meta is over `MAX_META_BYTES`. */
export function checkMeta(meta: Meta): void {
  const bytes = metaBytes(meta);
  if (bytes <= MAX_META_BYTES) return;
  throw new BlockhubError('MESSAGE_INVALID', `msg.meta: ${bytes} bytes of meta, the limit is ${MAX_META_BYTES}`, {
    details: { path: 'msg.meta', bytes, limit: MAX_META_BYTES },
  });
}

interface WithMeta {
  readonly meta: Meta;
}

/** A text of meta that must be there and not empty. Throws MESSAGE_INVALID. */
export function metaText({ meta }: WithMeta, name: string): string {
  const value = Object.hasOwn(meta, name) ? meta[name] : undefined;
  if (typeof value !== 'string' || value === '') throw invalid('must be a text', `msg.meta.${name}`);
  return value;
}

/** A text of meta that may be missing. Throws MESSAGE_INVALID when it is something else. */
export const findMetaText = (message: WithMeta, name: string): string | undefined =>
  Object.hasOwn(message.meta, name) ? metaText(message, name) : undefined;

/** An integer ≥ 0 of meta that must be there. Throws MESSAGE_INVALID. */
export function metaInteger({ meta }: WithMeta, name: string): number {
  const value = Object.hasOwn(meta, name) ? meta[name] : undefined;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw invalid('must be an integer from 0', `msg.meta.${name}`);
  return value;
}
