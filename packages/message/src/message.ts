import { isUtf8 } from 'node:buffer';
import type { Delivery, Meta } from '@blockhub/broker';
import { BlockhubError } from '@blockhub/errors';

/** A delivery without what settles it. The id of an event's message is the event id. */
export type MessageParts = Omit<Delivery, 'ack' | 'retry' | 'release'>;

/** A message as a handler gets it: raw bytes as the body, headers as meta. */
export interface Message extends MessageParts {
  /** The body read as JSON, parsed once. Throws MESSAGE_INVALID. */
  doc(): unknown;
}

class DeliveredMessage implements Message {
  readonly id: string;
  readonly queue: string;
  readonly meta: Meta;
  readonly body: Buffer;
  readonly attempts: number;
  readonly firstAt: number;
  #doc: unknown;
  #parsed = false;

  constructor(parts: MessageParts) {
    this.id = parts.id;
    this.queue = parts.queue;
    this.meta = parts.meta;
    this.body = parts.body;
    this.attempts = parts.attempts;
    this.firstAt = parts.firstAt;
  }

  doc(): unknown {
    if (!this.#parsed) {
      this.#doc = parseJson(this.body);
      this.#parsed = true;
    }
    return this.#doc;
  }
}

export const messageOf = (parts: MessageParts): Message => new DeliveredMessage(parts);

function parseJson(body: Buffer): unknown {
  // Decoding replaces a broken sequence: two different bodies could read the same.
  if (!isUtf8(body)) throw invalid('expected a body in UTF-8', 'msg.doc');
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw invalid('expected a body in JSON', 'msg.doc', cause);
  }
}

/** MESSAGE_INVALID at a path as templates write it, such as `msg.doc.3.hash`. */
export const invalid = (what: string, path: string, cause?: unknown): BlockhubError =>
  new BlockhubError('MESSAGE_INVALID', `${path}: ${what}`, { details: { path }, ...(cause === undefined ? {} : { cause }) });
