import type { Meta } from '@blockhub/broker';
import { isHash } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import { invalid } from './message.ts';

/** The meta names with a meaning of their own. Other names are descriptive. */
export const metaNames = {
  about: 'Event id that this message describes (request documents).',
  at: 'Object key of a body that is too large for the broker; the body is empty then.',
  block: 'Id of the block.',
  chain: 'Id of the chain.',
  charset: 'Charset that the sender declared, lower case.',
  coding: 'Content codings of the body in the order in which they were applied, lower case: `gzip`, or `deflate, br`.',
  createdAt: 'When the event was captured, in ms.',
  crypt: 'Hash function of `hash`: sha256 or md5.',
  hash: 'Hash of the body, lower-case hex.',
  height: 'Height of the block.',
  items: 'Number of receipts in a group.',
  language: 'Languages that the sender declared.',
  length: 'Length of the body in bytes.',
  mime: 'MIME type that the sender declared; missing if it cannot be parsed.',
  mimeMismatch: 'True if `sniffed` is another type than `mime`.',
  prev: 'Id of the block before.',
  sha256: 'SHA-256 of the body, if `crypt` is not sha256.',
  sniffed: 'MIME type of the decoded bytes of the body, if it can be recognised.',
  source: 'Source that the sender declared.',
  subject: 'The authenticated sender.',
  tailsTo: 'Queue for the next tail of this chain.',
  traceparent: 'W3C trace context of the request. It travels on with the messages that are made from it.',
  'dead-attempts': 'Dead letters: number of attempts.',
  'dead-cause': 'Dead letters: code of the error that caused the one in `dead-code`.',
  'dead-code': 'Dead letters: error code.',
  'dead-first-at': 'Dead letters: time of the first attempt, in ms.',
  'dead-last-at': 'Dead letters: time of the last failure, in ms.',
  'dead-message': 'Dead letters: text of the error.',
  'dead-path': 'Dead letters: place of the fault in the message, such as `msg.doc.3.hash`.',
  'dead-queue': 'Dead letters: the queue that the message came from.',
} as const satisfies Record<string, string>;

/** Limit of meta at capture. AMQP refuses headers over 64 KiB; later stages add a few names. */
export const MAX_META_BYTES = 32 * 1024;

/** Approximate size of meta in AMQP: names, values and 8 bytes each. */
export function metaBytes(meta: Meta): number {
  let bytes = 0;
  for (const name in meta) {
    const value = meta[name];
    bytes += Buffer.byteLength(name) + 8 + (typeof value === 'string' ? Buffer.byteLength(value) : 8);
  }
  return bytes;
}

/** Throws MESSAGE_INVALID if meta is over `MAX_META_BYTES`. */
export function checkMeta(meta: Meta): void {
  const bytes = metaBytes(meta);
  if (bytes <= MAX_META_BYTES) return;
  throw new BlockhubError('MESSAGE_INVALID', `msg.meta: expected at most ${MAX_META_BYTES} bytes of meta, got ${bytes}`, {
    details: { path: 'msg.meta', bytes, limit: MAX_META_BYTES },
  });
}

interface WithMeta {
  readonly meta: Meta;
}

/** Reads a text of meta that must not be missing or empty. Throws MESSAGE_INVALID. */
export function metaText({ meta }: WithMeta, name: string): string {
  const value = Object.hasOwn(meta, name) ? meta[name] : undefined;
  if (typeof value !== 'string' || value === '') throw invalid('must be a text', `msg.meta.${name}`);
  return value;
}

/** Reads a text of meta that may be missing. Throws MESSAGE_INVALID if it is anything else. */
export const findMetaText = (message: WithMeta, name: string): string | undefined =>
  Object.hasOwn(message.meta, name) ? metaText(message, name) : undefined;

/** Reads a hash of meta that must not be missing. Throws MESSAGE_INVALID. */
export function metaHash(message: WithMeta, name: string, digits?: number): string {
  const text = metaText(message, name);
  if (!isHash(text) || (digits !== undefined && text.length !== digits)) throw invalid('must be a hash', `msg.meta.${name}`);
  return text;
}

/** Reads an integer ≥ 0 of meta that must not be missing. Throws MESSAGE_INVALID. */
export function metaInteger({ meta }: WithMeta, name: string): number {
  const value = Object.hasOwn(meta, name) ? meta[name] : undefined;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw invalid('must be an integer from 0', `msg.meta.${name}`);
  return value;
}
