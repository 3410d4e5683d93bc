import { BlockhubError } from '@blockhub/errors';
import type { Channel, Options } from 'amqplib';
import { checkDeclaration } from '../../checks.ts';
import type { BrokerLog, QueueDeclaration } from '../../types.ts';
import { type Arguments, argumentsOf, backExchange, deadLetters, delayPrefix, lostExchange, placement } from './arguments.ts';
import { type Desk, isRefusal, questionError } from './desk.ts';

/** Of each length of delay. Retries over it wait with their consumers, which then get nothing more. */
const DELAY_LIMITS = { maxMessages: 100_000, maxBytes: 2 ** 30 };
/** The oldest are forgotten first; of those, only what has a consumer is declared again after the broker lost it. */
const MOST_REMEMBERED = 2_000;

/** They may differ from what a queue has: nobody relies on them, and no queue can change them; policies and operators can. */
const mayDiffer = new Set([
  'x-max-length',
  'x-max-length-bytes',
  'x-delivery-limit',
  'x-dead-letter-exchange',
  'x-dead-letter-routing-key',
  'x-dead-letter-strategy',
  ...Object.keys(placement),
]);

/** The queues that this process declared, and how they are declared. */
export class Topology {
  readonly #desk: Desk;
  readonly #log: BrokerLog | undefined;
  readonly #known = new Map<string, QueueDeclaration>();
  readonly #reviving = new Map<string, Promise<void>>();

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
      await this.restore(queue);
      this.#remember(queue);
    }
  }

  /** Again on a new connection, or after the broker lost it. */
  async restore(queue: QueueDeclaration): Promise<void> {
    const { name, kind } = queue;
    await this.#assert(name, { durable: kind === 'durable', exclusive: kind === 'private' }, argumentsOf(queue));
  }

  /** As `restore`, for a queue that was found missing: once for all who found it. */
  revive(queue: QueueDeclaration): Promise<void> {
    const { name } = queue;
    const under = this.#reviving.get(name);
    if (under) return under;
    const reviving = this.restore(queue)
      .then(() => this.#log?.warn({ queue: name }, 'queue was gone, declared again'))
      .finally(() => this.#reviving.delete(name));
    this.#reviving.set(name, reviving);
    return reviving;
  }

  /** A queue where messages wait so many ms, then go back to the queue that is their routing key. Gives the name of both, the queue and its exchange. */
  async declareDelay(delayMs: number): Promise<string> {
    const name = `${delayPrefix}${delayMs}`;
    await this.#desk.ask(async (channel) => {
      await declareBack(channel);
      await channel.assertExchange(name, 'fanout', { durable: true });
    });
    await this.#assert(
      name,
      { durable: true },
      { ...argumentsOf({ name, kind: 'durable', ...DELAY_LIMITS }), ...deadLetters(backExchange), 'x-message-ttl': delayMs },
    );
    await this.#desk.ask((channel) => channel.bindQueue(name, name, ''));
    return name;
  }

  async #assert(name: string, options: Options.AssertQueue, wanted: Arguments): Promise<void> {
    // Each refusal names one argument.
    for (let refusals = 0; ; refusals++) {
      try {
        await this.#desk.ask((channel) => channel.assertQueue(name, { ...options, arguments: { ...wanted } }));
        return;
      } catch (error) {
        const other = isRefusal(error, 'MISMATCH') ? otherArgument(error.message) : undefined;
        if (!other || refusals >= mayDiffer.size) throw questionError(error, name);
        if (!mayDiffer.has(other.name)) throw mismatch(name, other, error as Error);
        this.#log?.warn(
          { queue: name, argument: other.name, wanted: wanted[other.name], is: other.is },
          'queue exists with another limit or place, which stays',
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

interface OtherArgument {
  readonly name: string;
  readonly wanted: string | undefined;
  readonly is: string | undefined;
}

/** "inequivalent arg 'x-max-length' for queue 'a' in vhost '/': received '5' but current is the value '3' of type 'byte'"; or "none". */
function otherArgument(text: string): OtherArgument | undefined {
  const value = "(?:none|(?:the value )?'([^']*)')";
  const found = new RegExp(`inequivalent arg '([^']+)' for .* received ${value}.* but current is ${value}`).exec(text);
  return found ? { name: found[1] as string, wanted: found[2], is: found[3] } : undefined;
}

function mismatch(queue: string, { name, wanted, is }: OtherArgument, cause: Error): BlockhubError {
  const difference = `queue "${queue}" exists with ${name} ${is ?? '(none)'}, and ${wanted ?? '(none)'} is needed`;
  // What waits for its time to come back is in none of its counts.
  const text = `${difference}: delete it when \`rabbitmqctl list_queues name messages\` shows 0 for it and each ${delayPrefix}*, then start again`;
  return new BlockhubError('BROKER_QUEUE_MISMATCH', text, { cause, details: { queue, argument: name } });
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
