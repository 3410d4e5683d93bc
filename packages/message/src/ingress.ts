import type { Outgoing } from '@blockhub/broker';
import { type At, type BlobItem, type Crypt, isEvent, type Meta, type Receipt } from '@blockhub/chain';
import { invalid, type MessageParts } from './message.ts';
import { checkMeta, findMetaText, metaHash, metaInteger, metaText } from './meta.ts';
import { queues } from './queues/catalogues.ts';

/** A captured body with its event id, chain, hash and descriptive meta. */
export interface Capture extends BlobItem {
  readonly chain: string;
  /** When it was captured, in ms. */
  readonly createdAt: number;
  /** Object key of a body that is too large for the broker; `body` is empty then. */
  readonly at?: string;
  /** Descriptive meta only (mime, subject, source, about, …). */
  readonly meta: Meta;
  readonly body: Buffer;
}

/** Names that are fields of a capture or concern its transport, so they are never descriptive. */
const structural = new Set(['event', 'crypt', 'hash', 'length', 'sha256', 'chain', 'createdAt', 'at', 'items', 'repairs']);

/** The message of a captured body. Throws MESSAGE_INVALID if its meta is too large. */
export function writeIngress(capture: Capture, traceparent?: string): Outgoing {
  const { event, chain, createdAt, crypt, hash, length, sha256, at, body } = capture;
  const meta: Meta = { ...descriptive(capture.meta), chain, createdAt, length, crypt, hash };
  if (sha256 !== undefined) meta.sha256 = sha256;
  if (at !== undefined) meta.at = at;
  if (traceparent !== undefined) meta.traceparent = traceparent;
  checkMeta(meta);
  return { queue: queues.ingress.name, id: event, meta, body };
}

/** Reads a captured body. Throws MESSAGE_INVALID. The hash is checked before the body is stored. */
export function readIngress(message: Pick<MessageParts, 'id' | 'meta' | 'body'>): Capture {
  if (!isEvent(message.id)) throw invalid('must be an event id', 'msg.id');
  const at = findMetaText(message, 'at');
  const capture = {
    event: message.id,
    chain: metaHash(message, 'chain'),
    createdAt: metaInteger(message, 'createdAt'),
    length: metaInteger(message, 'length'),
    ...readHashes(message),
    meta: descriptive(message.meta),
    body: message.body,
  };
  if (at === undefined && capture.length !== message.body.length) throw invalid('is not the length of the body', 'msg.meta.length');
  return at === undefined ? capture : { ...capture, at };
}

function readHashes(message: Pick<MessageParts, 'meta'>): { crypt: Crypt; hash: string; sha256?: string } {
  const crypt = metaText(message, 'crypt');
  if (crypt === 'sha256') return { crypt, hash: metaHash(message, 'hash', 64) };
  if (crypt !== 'md5') throw invalid('must be sha256 or md5', 'msg.meta.crypt');
  return { crypt, hash: metaHash(message, 'hash', 32), sha256: metaHash(message, 'sha256', 64) };
}

function descriptive(meta: Meta): Meta {
  const kept: Meta = {};
  for (const name in meta) {
    const value = meta[name];
    if (value !== undefined && name !== '__proto__' && !structural.has(name)) kept[name] = value;
  }
  return kept;
}

/** The receipt of a capture whose bytes are stored at `at`. */
export function receiptOf(capture: Capture, at: At): Receipt {
  const { event, crypt, hash, length, sha256, meta } = capture;
  return sha256 === undefined ? { event, crypt, hash, length, at, meta } : { event, crypt, hash, length, sha256, at, meta };
}
