import type { Clock } from '@blockhub/clock';
import { calm, type FaultPlan, type Random } from '@blockhub/faults';
import { checkAlike, checkDeclaration, checkOwner, missingQueue, reserveAll, unreserve } from '../../checks.ts';
import type { CountedQueue, Outgoing, QueueDeclaration } from '../../types.ts';
import { MemoryConnection } from './connection.ts';
import { MemoryQueue } from './queue.ts';

export interface ConnectOptions {
  /**
   * Faults of this connection. `decide`: `publish`, `ack` (all three settlements), `declare`, `consume`, `take`.
   * `chance`: `deliver-twice`, `reorder`, `lose-hint`, `disconnect` (at a publish or an ack), `two-active` (a single-active queue serves all its consumers for a
   * while), `part-publish` (a publish that fails before left some of its messages behind).
   */
  readonly plan?: FaultPlan;
  /** Called when the plan lets the process die; the connection is dead by then. */
  readonly crash?: () => void;
  /** For error texts. */
  readonly name?: string;
}

export interface MemoryBrokerOptions {
  readonly clock: Clock;
  /** Draws how long reconnecting takes; the middle of its range when absent. */
  readonly random?: Random;
}

/** The server side of one run, shared by all its processes. Its queues outlive every connection; on a VirtualClock a seed gives the same run again. */
export class MemoryBroker {
  readonly clock: Clock;
  readonly random: Random;
  readonly #queues = new Map<string, MemoryQueue>();

  constructor({ clock, random = () => 0.5 }: MemoryBrokerOptions) {
    this.clock = clock;
    this.random = random;
  }

  /** A connection for one process. */
  connect(options: ConnectOptions = {}): MemoryConnection {
    return new MemoryConnection(this, options);
  }

  /** All queues, private ones too. */
  info(): CountedQueue[] {
    return [...this.#queues.values()].map((queue) => queue.info());
  }

  /** The queue as this connection may use it; BROKER_QUEUE_MISSING, BROKER_QUEUE_MISMATCH. */
  queue(name: string, connection: object): MemoryQueue {
    const queue = this.#queues.get(name);
    if (!queue) throw missingQueue(name);
    checkOwner(name, queue.owner, connection);
    return queue;
  }

  queuesOf(connection: object): MemoryQueue[] {
    return [...this.#queues.values()].filter((queue) => queue.owner === undefined || queue.owner === connection);
  }

  declare(declarations: readonly QueueDeclaration[], connection: object): void {
    for (const declaration of declarations) {
      checkDeclaration(declaration);
      const existing = this.#queues.get(declaration.name);
      if (!existing) continue;
      checkOwner(declaration.name, existing.owner, connection);
      checkAlike(existing.declaration, declaration);
    }
    for (const declaration of declarations) {
      const owner = declaration.kind === 'private' ? connection : undefined;
      const queue = this.#queues.get(declaration.name) ?? new MemoryQueue(declaration, this.clock, owner);
      queue.declaration = declaration;
      this.#queues.set(declaration.name, queue);
    }
  }

  /** All of it or nothing: BROKER_QUEUE_MISSING, BROKER_QUEUE_FULL. */
  publish(messages: readonly Outgoing[], plan: FaultPlan = calm): void {
    const queues = reserveAll(messages, (name) => this.#queues.get(name));
    messages.forEach((message, at) => {
      const queue = queues[at];
      if (!queue) return;
      if (message.hint && plan.chance('lose-hint')) unreserve(queue.load, message.body.length);
      else queue.add(message, plan);
    });
  }

  /** The connection is gone, and with it its private queues. */
  forget(connection: object): void {
    for (const [name, queue] of this.#queues) {
      if (queue.owner !== connection) continue;
      queue.close();
      this.#queues.delete(name);
    }
  }
}
