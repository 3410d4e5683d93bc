import type { Clock } from '@blockhub/clock';
import { calm, type FaultPlan } from '@blockhub/faults';
import { checkAlike, checkDeclaration, checkOwner, missingQueue, reserveAll, unreserve } from '../../checks.ts';
import type { Outgoing, QueueDeclaration } from '../../types.ts';
import { MemoryQueue } from './queue.ts';

/** All queues of a memory broker. A connection is only the owner of private queues here. */
export class MemoryQueues {
  readonly #clock: Clock;
  readonly #all = new Map<string, MemoryQueue>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  [Symbol.iterator](): Iterator<MemoryQueue> {
    return this.#all.values();
  }

  /** The queue as this connection may use it; BROKER_QUEUE_MISSING, BROKER_QUEUE_MISMATCH. */
  get(name: string, connection: object): MemoryQueue {
    const queue = this.#all.get(name);
    if (!queue) throw missingQueue(name);
    checkOwner(name, queue.owner, connection);
    return queue;
  }

  declare(declarations: readonly QueueDeclaration[], connection: object): void {
    for (const declaration of declarations) {
      checkDeclaration(declaration);
      const existing = this.#all.get(declaration.name);
      if (!existing) continue;
      checkOwner(declaration.name, existing.owner, connection);
      checkAlike(existing.declaration, declaration);
    }
    for (const declaration of declarations) {
      const owner = declaration.kind === 'private' ? connection : undefined;
      const queue = this.#all.get(declaration.name) ?? new MemoryQueue(declaration, this.#clock, owner);
      queue.declaration = declaration;
      this.#all.set(declaration.name, queue);
    }
  }

  /** All messages or none: BROKER_QUEUE_MISSING, BROKER_QUEUE_FULL. */
  publish(messages: readonly Outgoing[], plan: FaultPlan = calm): void {
    const queues = reserveAll(messages, (name) => this.#all.get(name));
    messages.forEach((message, at) => {
      const queue = queues[at];
      if (!queue) return;
      if (message.hint && plan.chance('lose-hint')) unreserve(queue.load, message.body.length);
      else queue.add(message, plan);
    });
  }

  removeOwned(connection: object): void {
    for (const [name, queue] of this.#all) {
      if (queue.owner !== connection) continue;
      queue.close();
      this.#all.delete(name);
    }
  }
}
