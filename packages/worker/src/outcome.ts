import type { Outgoing } from '@blockhub/broker';
import type { ErrorCode } from '@blockhub/errors';

/**
 * How a message is settled. A handler returns the outcome, or throws:
 *
 * | returned                  | thrown                  | then                              |
 * | ------------------------- | ----------------------- | --------------------------------- |
 * | `done(messages)`, nothing |                         | messages confirmed, then acked    |
 * | `retry(afterMs, reason)`  | transient BlockhubError | retried later, without a limit    |
 * |                           | any other error         | retried after longer waits        |
 * | `reject(code, reason)`    | permanent BlockhubError | dead letter confirmed, then acked |
 *
 * An error is permanent if it is not transient. After 20 attempts that failed for an unknown reason
 * the message becomes a dead letter ATTEMPTS_EXHAUSTED.
 */
export type Outcome =
  | { readonly kind: 'done'; readonly messages: readonly Outgoing[] }
  | { readonly kind: 'retry'; readonly afterMs: number; readonly reason: string; readonly fix?: string }
  | { readonly kind: 'reject'; readonly code: ErrorCode; readonly reason: string; readonly path?: string; readonly cause?: string };

const nothing: Outcome = { kind: 'done', messages: [] };

/** Handled. `messages` are confirmed before the ack. Their ids must be the same at each attempt. */
export const done = (messages?: readonly Outgoing[]): Outcome => (messages ? { kind: 'done', messages } : nothing);

/**
 * Not yet: the message is retried after `afterMs`, and blocks no other one meanwhile. After a long
 * delay operators read the reason, which must be a whole clause, and `fix`, in sentences.
 * `message.attempts` counts these retries; the limit of attempts does not.
 */
export const retry = (afterMs: number, reason: string, fix?: string): Outcome =>
  fix === undefined ? { kind: 'retry', afterMs, reason } : { kind: 'retry', afterMs, reason, fix };

/** The message becomes a dead letter. `path` is the place of the fault, as in `msg.doc.3.hash`. */
export const reject = (code: ErrorCode, reason: string, path?: string): Outcome =>
  path === undefined ? { kind: 'reject', code, reason } : { kind: 'reject', code, reason, path };

/** True if there is one outcome for each message of a batch, not one for all. */
export const isList = (outcome: Outcome | readonly Outcome[]): outcome is readonly Outcome[] => Array.isArray(outcome);
