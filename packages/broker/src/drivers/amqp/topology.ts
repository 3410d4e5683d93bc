import { BlockhubError } from '@blockhub/errors';
import type { Channel, Options } from 'amqplib';
import { checkDeclaration } from '../../checks.ts';
import type { BrokerLog, QueueDeclaration } from '../../types.ts';
import type { ControlChannel } from './channel.ts';
import { isRefusal, queueError } from './errors.ts';

/** After so many deliveries without an ack, a message goes to the dead letters. */
export const DELIVERY_LIMIT = 200;
/** Without dead letters. RabbitMQ before 4 refuses -1, and there no value means 20. */
const NO_LIMIT = 2 ** 31 - 1;
/** How many nodes keep a durable queue. If there are fewer nodes, all of them do. */
const MEMBERS = 3;
/** Limits of each delay queue. Retries beyond them stay with their consumers. */
const DELAY_LIMITS = { maxMessages: 100_000, maxBytes: 2 ** 30 };
/** Above this number the oldest declaration is dropped; its consumers keep it. */
const MAX_KNOWN = 2_000;

/** Names of delay queues and of their exchanges begin with it. */
export const delayPrefix = 'blockhub.delay.';
/** Returns delayed messages to their queues, or to `lostExchange` if a queue is gone. */
export const backExchange = 'blockhub.back';
export const lostExchange = 'blockhub.lost';

type Arguments = Record<string, string | number | boolean>;

/** Every argument is explicit, so that all versions of RabbitMQ behave alike. */
export function argumentsOf({ kind, singleActive, maxMessages, maxBytes, deadLetterTo }: QueueDeclaration): Arguments {
  return {
    'x-queue-type': kind === 'durable' ? 'quorum' : 'classic',
    'x-overflow': 'reject-publish',
    ...(kind === 'durable' && placement),
    ...(kind === 'durable' && { 'x-delivery-limit': deadLetterTo === undefined ? NO_LIMIT : DELIVERY_LIMIT }),
    ...(kind === 'durable' && deadLetterTo !== undefined && deadLetters('', deadLetterTo)),
    ...(singleActive && { 'x-single-active-consumer': true }),
    ...(maxMessages !== undefined && { 'x-max-length': maxMessages }),
    ...(maxBytes !== undefined && { 'x-max-length-bytes': maxBytes }),
  };
}

/** By default, leaders gather on the node that services are connected to. */
const placement: Arguments = { 'x-quorum-initial-group-size': MEMBERS, 'x-queue-leader-locator': 'balanced' };

/** A message leaves its queue only when it is safe in the next one. */
const deadLetters = (exchange: string, key?: string): Arguments => ({
  'x-dead-letter-exchange': exchange,
  ...(key !== undefined && { 'x-dead-letter-routing-key': key }),
  'x-dead-letter-strategy': 'at-least-once',
});

/** No code depends on these, and a queue cannot change them; an existing queue may have others. */
const mayDiffer = new Set([
  'x-max-length',
  'x-max-length-bytes',
  'x-delivery-limit',
  'x-dead-letter-exchange',
  'x-dead-letter-routing-key',
  'x-dead-letter-strategy',
  ...Object.keys(placement),
]);

/** Declares queues and exchanges, and keeps the declarations of this process. */
export class Topology {
  readonly #control: ControlChannel;
  readonly #log: BrokerLog | undefined;
  readonly #known = new Map<string, QueueDeclaration>();
  readonly #reviving = new Map<string, Promise<void>>();

  constructor(control: ControlChannel, log: BrokerLog | undefined) {
    this.#control = control;
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

  /** Declares it again, on a new connection or after the broker lost it. */
  async restore(queue: QueueDeclaration): Promise<void> {
    const { name, kind } = queue;
    await this.#assert(name, { durable: kind === 'durable', exclusive: kind === 'private' }, argumentsOf(queue));
  }

  /** As `restore`, for a queue that is missing. Calls at the same time share one declaration. */
  revive(queue: QueueDeclaration): Promise<void> {
    const { name } = queue;
    const running = this.#reviving.get(name);
    if (running) return running;
    const reviving = this.restore(queue)
      .then(() => this.#log?.warn({ queue: name }, 'queue was gone and is declared again'))
      .finally(() => this.#reviving.delete(name));
    this.#reviving.set(name, reviving);
    return reviving;
  }

  /** Exchange and queue of the returned name. Messages return after `delayMs` by routing key. */
  async declareDelay(delayMs: number): Promise<string> {
    const name = `${delayPrefix}${delayMs}`;
    await this.#control.request(async (channel) => {
      await declareBack(channel);
      await channel.assertExchange(name, 'fanout', { durable: true });
    });
    await this.#assert(
      name,
      { durable: true },
      { ...argumentsOf({ name, kind: 'durable', ...DELAY_LIMITS }), ...deadLetters(backExchange), 'x-message-ttl': delayMs },
    );
    await this.#control.request((channel) => channel.bindQueue(name, name, ''));
    return name;
  }

  /** For a queue with consumers: delayed messages return, lost ones go to its dead letters. */
  async bindBack(queue: string, deadLetterTo: string | undefined): Promise<void> {
    await this.#control.request(async (channel) => {
      await declareBack(channel);
      await channel.bindQueue(queue, backExchange, queue);
    });
    if (deadLetterTo === undefined) return;
    try {
      await this.#control.request((channel) => channel.bindQueue(deadLetterTo, lostExchange, ''));
    } catch (error) {
      // If it is not declared yet, lost messages stay in the delay queue.
      if (!isRefusal(error, 'MISSING')) throw error;
    }
  }

  async #assert(name: string, options: Options.AssertQueue, wanted: Arguments): Promise<void> {
    // Each refusal names one argument.
    for (let refusals = 0; ; refusals++) {
      try {
        await this.#control.request((channel) => channel.assertQueue(name, { ...options, arguments: { ...wanted } }));
        return;
      } catch (error) {
        const other = isRefusal(error, 'MISMATCH') ? parseMismatch(error.message) : undefined;
        if (!other || refusals >= mayDiffer.size) throw queueError(error, name);
        if (!mayDiffer.has(other.name)) throw mismatch(name, other, error as Error);
        this.#log?.warn(
          { queue: name, argument: other.name, wanted: wanted[other.name], is: other.is },
          'queue exists with another argument, which is kept',
        );
        if (other.is === undefined) delete wanted[other.name];
        else wanted[other.name] = /^\d+$/.test(other.is) ? Number(other.is) : other.is;
      }
    }
  }

  #remember(queue: QueueDeclaration): void {
    this.#known.delete(queue.name);
    this.#known.set(queue.name, queue);
    if (this.#known.size <= MAX_KNOWN) return;
    for (const { name, kind } of this.#known.values()) {
      if (kind === 'private') continue;
      this.#known.delete(name);
      return;
    }
  }
}

async function declareBack(channel: Channel): Promise<void> {
  await channel.assertExchange(lostExchange, 'fanout', { durable: true });
  await channel.assertExchange(backExchange, 'direct', { durable: true, alternateExchange: lostExchange });
}

interface OtherArgument {
  readonly name: string;
  readonly wanted: string | undefined;
  readonly is: string | undefined;
}

/** "inequivalent arg 'x' for queue …: received '5' but current is the value '3' …" */
function parseMismatch(text: string): OtherArgument | undefined {
  const value = "(?:none|(?:the value )?'([^']*)')";
  const found = new RegExp(`inequivalent arg '([^']+)' for .* received ${value}.* but current is ${value}`).exec(text);
  return found ? { name: found[1] as string, wanted: found[2], is: found[3] } : undefined;
}

function mismatch(queue: string, { name, wanted, is }: OtherArgument, cause: Error): BlockhubError {
  const difference = `queue "${queue}" exists with ${name} ${is ?? '(none)'}, and ${wanted ?? '(none)'} is needed`;
  // Delayed messages are not counted at the queue that they return to.
  const text = `${difference}: delete it when \`rabbitmqctl list_queues name messages\` shows 0 for it and each ${delayPrefix}*, then start again`;
  return new BlockhubError('BROKER_QUEUE_MISMATCH', text, { cause, details: { queue, argument: name } });
}
