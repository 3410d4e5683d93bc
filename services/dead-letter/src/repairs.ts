import { type ErrorCode, errorCodes } from '@blockhub/errors';
import { type DeadLetter, type Outgoing, replayDeadLetter } from '@blockhub/message';

/** What a repair publishes in place of a dead letter; undefined when it cannot help. */
export type Repair = (letter: DeadLetter) => readonly Outgoing[] | undefined;

/** The message once more, where it came from. All handlers bear repetition. */
const again: Repair = (letter) => [replayDeadLetter(letter)];

/** Of a message that was tried for as long as allowed: only where what failed was not the message. */
const againIfTransient: Repair = (letter) => {
  const { cause = '' } = letter;
  return isTransientCode(cause) || transientCauses.has(cause) ? again(letter) : undefined;
};

const isTransientCode = (code: string): boolean => Object.hasOwn(errorCodes, code) && 'transient' in errorCodes[code as ErrorCode];

/** Codes of Node and of the operating system for what passes. */
const transientCauses: ReadonlySet<string> = new Set([
  'EAGAIN',
  'EBUSY',
  'ECONNREFUSED',
  'ECONNRESET',
  'EIO',
  'EMFILE',
  'ENFILE',
  'ENOSPC',
  'EPIPE',
  'ETIMEDOUT',
]);

/** What to do with dead letters whose code alone does not say that the reason passes. */
const repairs: Readonly<Partial<Record<ErrorCode, Repair>>> = {
  ATTEMPTS_EXHAUSTED: againIfTransient,
  // Queues are declared when the service that takes from them starts, which may be later than the message.
  BROKER_QUEUE_MISSING: again,
};

/**
 * Finds the repair of a code: its own, else `again` where its reason passes, such as a full store. What has none is kept for somebody to look at.
 * A repair must be safe: it publishes nothing that the sender did not send, and what it publishes can be handled twice.
 */
export function findRepair(code: string): Repair | undefined {
  if (Object.hasOwn(repairs, code)) return repairs[code as ErrorCode];
  return isTransientCode(code) ? again : undefined;
}
