import type { Outgoing } from '@blockhub/broker';
import type { ErrorCode } from '@blockhub/errors';

/**
 * What becomes of a message. A handler returns the outcome, or throws:
 *
 * | returned                  | thrown                              | then                                                                            |
 * | ------------------------- | ----------------------------------- | ------------------------------------------------------------------------------- |
 * | `done(messages)`, nothing |                                     | the messages are published and confirmed, then it is acked                      |
 * | `retry(afterMs, reason)`  | BlockhubError that is transient     | comes again later, as often as it takes                                         |
 * |                           | any other error                     | comes again later and later; after 20 of these a dead letter ATTEMPTS_EXHAUSTED |
 * | `reject(code, reason)`    | BlockhubError that is not transient | a dead letter is published and confirmed, then it is acked                      |
 */
export type Outcome =
  | { readonly kind: 'done'; readonly messages: readonly Outgoing[] }
  | { readonly kind: 'retry'; readonly afterMs: number; readonly reason: string; readonly fix?: string }
  | { readonly kind: 'reject'; readonly code: ErrorCode; readonly reason: string; readonly path?: string; readonly cause?: string };

const nothing: Outcome = { kind: 'done', messages: [] };

/** Handled. `messages` are confirmed before the ack; give stable ids, since a crash in between handles the message again. */
export const done = (messages?: readonly Outgoing[]): Outcome => (messages ? { kind: 'done', messages } : nothing);

/**
 * Not yet: the message comes again after `afterMs` and blocks no other meanwhile. Where that is long an operator reads the reason, a whole clause,
 * and what to do about it (`fix`, sentences). `message.attempts` counts these too, the tries that make a dead letter do not.
 */
export const retry = (afterMs: number, reason: string, fix?: string): Outcome =>
  fix === undefined ? { kind: 'retry', afterMs, reason } : { kind: 'retry', afterMs, reason, fix };

/** Never: the message goes to the dead letters with this reason. `path` is where in it, e.g. `msg.doc.3.hash`. */
export const reject = (code: ErrorCode, reason: string, path?: string): Outcome =>
  path === undefined ? { kind: 'reject', code, reason } : { kind: 'reject', code, reason, path };

/** One outcome for each message of a batch, rather than one for all. */
export const isList = (outcome: Outcome | readonly Outcome[]): outcome is readonly Outcome[] => Array.isArray(outcome);
