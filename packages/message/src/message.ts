import { isUtf8 } from 'node:buffer';
import type { Meta } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';

/** What a broker hands over, without its acks. */
export interface MessageParts {
  /** Message id. For events the event id, given once at capture. */
  readonly id: string;
  /** The queue that it was taken from. */
  readonly queue: string;
  readonly meta: Meta;
  readonly body: Buffer;
  /** Tries that failed before this one. */
  readonly attempts: number;
  /** When it was first delivered or published, in ms. */
  readonly firstAt: number;
}

/** A message as a handler sees it. The body is the bytes; meta are the headers. */
export interface Message extends MessageParts {
  /** The body read as JSON, parsed once. Throws MESSAGE_INVALID. */
  doc(): unknown;
}

/** A message to publish: the broker's form, written here so that this package knows no broker. */
export interface Outgoing {
  queue: string;
  id: string;
  meta: Meta;
  body: Buffer;
  /** May be lost; that nobody takes it is no error. */
  hint?: boolean;
}

class TakenMessage implements Message {
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

/** Gives a delivery its `doc()`. */
export const messageOf = (parts: MessageParts): Message => new TakenMessage(parts);

function parseJson(body: Buffer): unknown {
  // Decoding would replace a broken sequence silently, and two different bodies would read the same.
  if (!isUtf8(body)) throw invalid('the body is not UTF-8', 'msg.doc');
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw invalid('the body is not JSON', 'msg.doc', cause);
  }
}

/** MESSAGE_INVALID at a path such as `msg.doc.3.hash` or `msg.meta.chain`: the way templates name it. */
export const invalid = (what: string, path: string, cause?: unknown): BlockhubError =>
  new BlockhubError('MESSAGE_INVALID', `${path}: ${what}`, { details: { path }, ...(cause === undefined ? {} : { cause }) });
