import type { Meta, Outgoing } from '@blockhub/broker';
import type { MessageParts } from './message.ts';
import { metaInteger, metaText } from './meta.ts';
import { queues } from './queues/catalogues.ts';

export interface DeadReason {
  /** An error code, ours or one of Node's. */
  readonly code: string;
  /** The code of the error that caused `code`: for ATTEMPTS_EXHAUSTED, that of the last attempt. */
  readonly cause?: string;
  /** Place of the fault in the message, such as `msg.doc.3.hash`. */
  readonly path?: string;
  readonly message: string;
  /** The time, in ms. */
  readonly now: number;
}

/** A dead letter: the whole original message, and why it failed. */
export interface DeadLetter extends Omit<DeadReason, 'now'> {
  /** The queue that it came from. */
  readonly queue: string;
  /** Number of attempts, the last one included. */
  readonly attempts: number;
  readonly firstAt: number;
  readonly lastAt: number;
  readonly original: { readonly id: string; readonly meta: Meta; readonly body: Buffer };
}

/** Meta that counts automatic repairs. It stays with the message when that is published again. */
export const REPAIRS = 'repairs';

const MAX_TEXT = 1000;
const prefix = 'dead-';

/** Adds the reason to meta. A dead letter that fails is kept as it is, not repaired endlessly. */
export function deadLetter(message: MessageParts, reason: DeadReason): Outgoing {
  const { id, meta, body } = message;
  if (message.queue === queues.deadLetter.name) return keepDeadLetter(message);
  const dead: Meta = {
    'dead-code': clip(reason.code),
    'dead-message': clip(reason.message),
    'dead-queue': message.queue,
    'dead-attempts': message.attempts + 1,
    'dead-first-at': message.firstAt,
    'dead-last-at': reason.now,
  };
  if (reason.cause !== undefined) dead['dead-cause'] = clip(reason.cause);
  if (reason.path !== undefined) dead['dead-path'] = clip(reason.path);
  return { queue: queues.deadLetter.name, id, meta: { ...originalMeta(meta), ...dead }, body };
}

/** The same dead letter for the queue that only the `blockhub` command takes from. */
export const keepDeadLetter = ({ id, meta, body }: Pick<MessageParts, 'id' | 'meta' | 'body'>): Outgoing => ({
  queue: queues.kept.name,
  id,
  meta,
  body,
});

/** Reads a dead letter from either queue. Throws MESSAGE_INVALID if it is not a dead letter. */
export function readDeadLetter(message: Pick<MessageParts, 'id' | 'meta' | 'body'>): DeadLetter {
  const { id, meta, body } = message;
  const { 'dead-cause': cause, 'dead-path': path } = meta;
  return {
    code: metaText(message, 'dead-code'),
    ...(typeof cause === 'string' ? { cause } : {}),
    ...(typeof path === 'string' ? { path } : {}),
    message: String(meta['dead-message'] ?? ''),
    queue: metaText(message, 'dead-queue'),
    attempts: metaInteger(message, 'dead-attempts'),
    firstAt: metaInteger(message, 'dead-first-at'),
    lastAt: metaInteger(message, 'dead-last-at'),
    original: { id, meta: originalMeta(meta), body },
  };
}

/** The original, for the queue that it came from. Its count of repairs starts again. */
export function replayDeadLetter({ queue, original: { id, meta, body } }: DeadLetter): Outgoing {
  const { [REPAIRS]: _, ...rest } = meta;
  return { queue, id, meta: rest, body };
}

const originalMeta = (meta: Meta): Meta => Object.fromEntries(Object.entries(meta).filter(([name]) => !name.startsWith(prefix)));

/** An error text may quote a whole body, but headers must stay small. */
const clip = (text: string): string => (text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT - 1)}…` : text).toWellFormed();
