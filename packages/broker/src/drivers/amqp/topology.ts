import { BlockhubError } from '@blockhub/errors';
import type { Channel } from 'amqplib';
import { checkDeclaration } from '../../checks.ts';
import type { BrokerLog, QueueDeclaration } from '../../types.ts';
import { argumentsOf, backExchange, deadLetters, delayPrefix, lostExchange } from './arguments.ts';
import { type Desk, isRefusal, questionError } from './desk.ts';

/** The oldest are forgotten first; they are not declared again after the broker lost them. */
const MOST_REMEMBERED = 2_000;

/** They may differ from what a queue has, because no queue can change them; a policy can. */
const limits = new Set([
  'x-max-length',
  'x-max-length-bytes',
  'x-delivery-limit',
  'x-dead-letter-exchange',
  'x-dead-letter-routing-key',
  'x-dead-letter-strategy',
]);

/** The queues that this process declared, and how they are declared. */
export class Topology {
  readonly #desk: Desk;
  readonly #log: BrokerLog | undefined;
  readonly #known = new Map<string, QueueDeclaration>();

  constructor(desk: Desk, log: BrokerLog | undefined) {
    this.#desk = desk;
    this.#log = log;
  }

  get(name: string): QueueDeclaration | undefined {
    return this.#known.get(name);
  }

  get all(): QueueDeclaration[] {
    return [...this.#known.values()];
  }

  async declare(queues: readonly QueueDeclaration[]): Promise<void> {
    queues.forEach(checkDeclaration);
    for (const queue of queues) {
      await this.#declare(queue);
      this.#remember(queue);
    }
  }

  /** Again on a new connection, or after the broker lost it. */
  async restore(name: string): Promise<void> {
    const queue = this.#known.get(name);
    if (queue) await this.#declare(queue);
  }

  async #declare(queue: QueueDeclaration): Promise<void> {
    const { name, kind } = queue;
    const wanted = argumentsOf(queue);
    // Each refusal names one argument.
    for (let refusals = 0; ; refusals++) {
      try {
        await this.#desk.ask((channel) =>
          channel.assertQueue(name, { durable: kind === 'durable', exclusive: kind === 'private', arguments: { ...wanted } }),
        );
        return;
      } catch (error) {
        const other = isRefusal(error, 'MISMATCH') ? otherArgument(error.message) : undefined;
        if (!other || refusals >= limits.size) throw questionError(error, name);
        if (!limits.has(other.name))
          throw new BlockhubError('BROKER_QUEUE_MISMATCH', `queue "${name}" has another ${other.name}: ${other.is ?? 'none'}`, {
            cause: error,
            details: { queue: name },
          });
        this.#log?.warn(
          { queue: name, argument: other.name, wanted: wanted[other.name], is: other.is },
          'queue exists with another limit, which stays',
        );
        if (other.is === undefined) delete wanted[other.name];
        else wanted[other.name] = /^\d+$/.test(other.is) ? Number(other.is) : other.is;
      }
    }
  }

  #remember(queue: QueueDeclaration): void {
    this.#known.delete(queue.name);
    this.#known.set(queue.name, queue);
    if (this.#known.size <= MOST_REMEMBERED) return;
    for (const { name, kind } of this.#known.values()) {
      if (kind === 'private') continue;
      this.#known.delete(name);
      return;
    }
  }
}

/** "inequivalent arg 'x-max-length' for queue 'a' in vhost '/': received '5' but current is the value '3' of type 'byte'", or "is none". */
function otherArgument(text: string): { name: string; is: string | undefined } | undefined {
  const found = /inequivalent arg '([^']+)' for .* but current is (?:none|(?:the value )?'([^']*)')/.exec(text);
  return found ? { name: found[1] as string, is: found[2] } : undefined;
}

/** A queue where messages wait so many ms, then go back to the queue that is their routing key. */
export async function declareDelay(channel: Channel, delayMs: number): Promise<string> {
  const name = `${delayPrefix}${delayMs}`;
  await declareBack(channel);
  const wait = {
    ...argumentsOf({ name, kind: 'durable' }),
    ...deadLetters(backExchange),
    'x-message-ttl': delayMs,
  };
  await channel.assertExchange(name, 'fanout', { durable: true });
  await channel.assertQueue(name, { durable: true, arguments: wait });
  await channel.bindQueue(name, name, '');
  return name;
}

/** Before its first consumer: the queue's way back from delays, and where it goes that comes back to no queue. */
export async function bindBack(desk: Desk, queue: string, deadLetterTo: string | undefined): Promise<void> {
  await desk.ask(async (channel) => {
    await declareBack(channel);
    await channel.bindQueue(queue, backExchange, queue);
  });
  if (deadLetterTo === undefined) return;
  try {
    await desk.ask((channel) => channel.bindQueue(deadLetterTo, lostExchange, ''));
  } catch (error) {
    // Not declared yet: what is lost waits with the broker.
    if (!isRefusal(error, 'MISSING')) throw error;
  }
}

async function declareBack(channel: Channel): Promise<void> {
  await channel.assertExchange(lostExchange, 'fanout', { durable: true });
  await channel.assertExchange(backExchange, 'direct', { durable: true, alternateExchange: lostExchange });
}
