import { BlockhubError } from '@blockhub/errors';
import type { Outgoing, QueueDeclaration } from './types.ts';

export const invalidUrl = (field: string, text: string, cause?: unknown): BlockhubError =>
  new BlockhubError('BROKER_URL_INVALID', text, { cause, details: { field } });

export const missingQueue = (queue: string): BlockhubError =>
  new BlockhubError('BROKER_QUEUE_MISSING', `no queue "${queue}"`, { details: { queue } });

const fullQueue = (queue: string, load: Load): BlockhubError =>
  new BlockhubError('BROKER_QUEUE_FULL', `queue "${queue}" is at its limit`, { details: { queue, ...load } });

export const missingMessage = (queue: string, seq: string): BlockhubError =>
  new BlockhubError('BROKER_MESSAGE_MISSING', `message ${seq} is not in "${queue}", or a consumer holds it`, { details: { queue, seq } });

export const closedBroker = (): BlockhubError => new BlockhubError('BROKER_CLOSED', 'the broker was closed');

const mismatch = (queue: string, why: string): BlockhubError =>
  new BlockhubError('BROKER_QUEUE_MISMATCH', `queue "${queue}" ${why}`, { details: { queue } });

/** Every driver refuses the names that RabbitMQ would refuse. */
export function checkDeclaration({ name }: QueueDeclaration): void {
  const bytes = Buffer.byteLength(name);
  if (bytes < 1 || bytes > 255 || name.startsWith('amq.')) throw mismatch(name, 'must have 1 to 255 bytes and must not start with "amq."');
}

/** A new declaration can change the limits of a queue, but not its kind or `singleActive`. */
export function checkAlike(is: QueueDeclaration, wanted: QueueDeclaration): void {
  if (is.kind !== wanted.kind) throw mismatch(is.name, `is ${is.kind}, not ${wanted.kind}`);
  if (Boolean(is.singleActive) !== Boolean(wanted.singleActive)) throw mismatch(is.name, 'is declared with another singleActive');
}

/** A private queue can be used only by the connection that declared it. */
export function checkOwner(queue: string, owner: object | undefined, connection: object): void {
  if (owner && owner !== connection) throw mismatch(queue, 'belongs to another connection');
}

/** The messages of a queue and the sum of their bodies. */
export interface Load {
  messages: number;
  bytes: number;
}

/** Counts one more message; false if there is no room for it. */
function reserve({ maxMessages, maxBytes }: QueueDeclaration, load: Load, bytes: number): boolean {
  if (maxMessages !== undefined && load.messages >= maxMessages) return false;
  if (maxBytes !== undefined && load.bytes + bytes > maxBytes) return false;
  load.messages++;
  load.bytes += bytes;
  return true;
}

export function unreserve(load: Load, bytes: number): void {
  load.messages--;
  load.bytes -= bytes;
}

/** All or none. A hint without room gets undefined. BROKER_QUEUE_MISSING, BROKER_QUEUE_FULL */
export function reserveAll<Q extends { readonly declaration: QueueDeclaration; readonly load: Load }>(
  messages: readonly Outgoing[],
  find: (name: string) => Q | undefined,
): (Q | undefined)[] {
  const queues: (Q | undefined)[] = [];
  try {
    for (const { queue: name, body, hint } of messages) {
      const queue = find(name);
      const room = queue !== undefined && reserve(queue.declaration, queue.load, body.length);
      if (!room && !hint) throw queue ? fullQueue(name, queue.load) : missingQueue(name);
      queues.push(room ? queue : undefined);
    }
  } catch (error) {
    for (const [at, queue] of queues.entries()) if (queue) unreserve(queue.load, messages[at]?.body.length ?? 0);
    throw error;
  }
  return queues;
}
