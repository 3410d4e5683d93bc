import { type Clock, Pace } from '@blockhub/clock';
import type { BrokerLog } from '../../types.ts';

/** Why the broker closed a channel or a connection, or refused a question, in its own words and in those of an operator. */
export interface CloseReason {
  /** Of AMQP, such as 406; https://www.rabbitmq.com/amqp-0-9-1-reference#constants */
  readonly reply: number;
  /** What the broker said. */
  readonly reason: string;
  readonly fix: string;
}

type Entry = readonly [reply: number | undefined, said: RegExp, fix: string];

const GOES_ON = 'Blockhub opens it again by itself.';
const rights =
  'Give the user its rights in this virtual host: `rabbitmqctl set_permissions -p VHOST USER CONFIGURE WRITE READ`; `rabbitmqctl list_permissions -p VHOST` shows them.';

/** The first that fits counts. */
const entries: readonly Entry[] = [
  [
    undefined,
    /delivery acknowledgement .*timed out|consumer.?timeout|timeout value used/i,
    `Raise consumer_timeout of RabbitMQ (rabbitmq.conf, in ms; a policy "consumer-timeout" for single queues) to 1800000, its default, or more: Blockhub holds a message for up to 26 minutes. What was held is delivered again. ${GOES_ON}`,
  ],
  [
    undefined,
    /message size .*larger than|max(?:imum)? (?:allowed )?message size/i,
    'Raise max_message_size of RabbitMQ, or lower maxMessageBytes in the broker URL to it, so that such a message is refused before it is sent.',
  ],
  [
    undefined,
    /inequivalent arg/,
    'Correct the argument that the reason names: at the queue, which keeps the arguments that it was made with until it is deleted, or by a policy. docs/guides/operate.md, "Arguments of queues", says how.',
  ],
  [
    undefined,
    /unknown delivery tag/,
    'This is a mistake in Blockhub or in a proxy of AMQP before the broker: report it. Messages are delivered again.',
  ],
  [
    undefined,
    /channel_max|number of channels/i,
    'Raise channel_max of RabbitMQ; Blockhub needs a channel for each queue that a process consumes from, and a few more.',
  ],
  [
    undefined,
    /connection.*limit|node connection limit/i,
    'Raise the limit of connections of the user, the virtual host or the node (max-connections); each process of Blockhub needs two.',
  ],
  [undefined, /queue limit|limit of queues|max-queues/i, 'Raise the limit of queues (max-queues) of the virtual host.'],
  [
    undefined,
    /vhost.* (?:not found|is down|does not exist|deleted)|no such vhost/i,
    'Make the virtual host (`rabbitmqctl add_vhost`), restart it if it is down (`rabbitmqctl restart_vhost`), or correct its name in --broker.',
  ],
  [undefined, /access to vhost .* refused|access refused to vhost/i, rights],
  [undefined, /user .* (?:deleted|is deleted)/i, 'Make the user again, or name another one (--broker-user).'],
  [
    undefined,
    /deprecated|feature .*not (?:permitted|enabled)/i,
    'Allow the feature that the reason names in rabbitmq.conf (deprecated_features.permit.*), or update Blockhub.',
  ],
  [
    320,
    /./,
    `An operator or a shutdown closed the connection: see the log of RabbitMQ. If it goes on, look for a policy or program that closes connections. ${GOES_ON}`,
  ],
  [311, /./, 'Raise max_message_size of RabbitMQ, or lower maxMessageBytes in the broker URL to it.'],
  [402, /./, 'Correct the virtual host in --broker.'],
  [403, /./, rights],
  [
    404,
    /./,
    `A queue or exchange was deleted while it was used; it is declared again. See who deletes it: a policy (expires), an operator or another program.`,
  ],
  [
    405,
    /./,
    'Another connection has the queue for itself: look for a second process with the same BLOCKHUB_INSTANCE, or wait until the old connection is gone.',
  ],
  [406, /./, 'Compare the queue, and policies that apply to it, with what the reason names.'],
  [530, /./, `Correct the virtual host in --broker, or the rights of the user. ${rights}`],
  [540, /./, 'Use RabbitMQ 3.10 or newer.'],
  [506, /./, 'Free memory, disk or file descriptors of RabbitMQ; see its log.'],
  [541, /./, 'RabbitMQ failed: see its log.'],
];

const otherwise = `See the log of RabbitMQ. ${GOES_ON}`;
const said = /with message "([\s\S]*)"$/;
const MOST_LETTERS = 500;

/** Undefined where the broker said nothing: the connection was cut. */
export function closeReason(error: unknown): CloseReason | undefined {
  const { code, message = '' } = (error ?? {}) as { code?: unknown; message?: string };
  const given = said.exec(message)?.[1];
  if (typeof code !== 'number' || given === undefined) return undefined;
  const entry = entries.find(([reply, form]) => (reply === undefined || reply === code) && form.test(given));
  return { reply: code, reason: given.slice(0, MOST_LETTERS), fix: entry?.[2] ?? otherwise };
}

/** One reason may end many channels, and each of them each time again. */
const LOG_AGAIN_MS = 60_000;

/** Writes down why the broker closed something: once a minute for each place and reply. */
export class CloseLog {
  readonly #log: BrokerLog | undefined;
  readonly #pace: Pace;

  constructor(clock: Clock, log: BrokerLog | undefined) {
    this.#log = log;
    this.#pace = new Pace(clock, LOG_AGAIN_MS);
  }

  /** Writes no line about an error that is not the broker's reason. */
  tell(error: unknown, where: Readonly<Record<string, string>>): void {
    const found = closeReason(error);
    if (!found || this.#pace.pass(JSON.stringify([where, found.reply])) === 0) return;
    this.#log?.warn({ ...where, ...found }, 'broker closed a channel');
  }
}
