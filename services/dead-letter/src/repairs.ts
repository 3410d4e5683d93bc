import { type ErrorCode, errorCodes } from '@blockhub/errors';
import { type DeadLetter, type Outgoing, replayDeadLetter } from '@blockhub/message';

/** Returns the messages to publish in place of a dead letter; undefined if it cannot repair it. */
export type Repair = (letter: DeadLetter) => readonly Outgoing[] | undefined;

/** Publishes the message again to the queue that it came from. All handlers are idempotent. */
const again: Repair = (letter) => [replayDeadLetter(letter)];

/** For a message that used up its attempts: only if the cause was not the message itself. */
const againIfTransient: Repair = (letter) => {
  const { cause = '' } = letter;
  return isTransientCode(cause) || transientCauses.has(cause) ? again(letter) : undefined;
};

const isTransientCode = (code: string): boolean => Object.hasOwn(errorCodes, code) && 'transient' in errorCodes[code as ErrorCode];

/** Codes of Node and of the operating system for faults that end by themselves. */
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

/** Repairs of codes that are not transient. */
const repairs: Readonly<Partial<Record<ErrorCode, Repair>>> = {
  ATTEMPTS_EXHAUSTED: againIfTransient,
  // The service that declares the queue may start after the message was published.
  BROKER_QUEUE_MISSING: again,
};

/**
 * A code's own repair, else `again` if the code is transient; else the dead letter is kept. A
 * repair must publish only what the sender sent, and only messages that can be handled twice.
 */
export function findRepair(code: string): Repair | undefined {
  if (Object.hasOwn(repairs, code)) return repairs[code as ErrorCode];
  return isTransientCode(code) ? again : undefined;
}
