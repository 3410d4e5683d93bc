import { type Clock, Pace } from '@blockhub/clock';
import { BlockhubError, networkFault } from '@blockhub/errors';
import { missingQueue } from '../../checks.ts';
import type { BrokerLog } from '../../types.ts';
import type { Address } from './url.ts';

/** Why the broker closed a channel or a connection, or refused a request. */
export interface CloseReason {
  /** AMQP's reply code, such as 406; https://www.rabbitmq.com/amqp-0-9-1-reference#constants */
  readonly reply: number;
  readonly reason: string;
  readonly fix: string;
}

const REOPENED = 'Blockhub opens it again by itself.';
const rights =
  'Give the user its rights in this virtual host: `rabbitmqctl set_permissions -p VHOST USER CONFIGURE WRITE READ`. `rabbitmqctl list_permissions -p VHOST` shows them.';
const vhostFix =
  'Make the virtual host (`rabbitmqctl add_vhost`), restart it if it is down (`rabbitmqctl restart_vhost`), or correct its name in --broker.';

/** By the reply text. The first that matches counts. */
const fixesByText: readonly (readonly [RegExp, string])[] = [
  [
    /delivery acknowledgement .*timed out|consumer.?timeout|timeout value used/i,
    `Raise consumer_timeout of RabbitMQ (rabbitmq.conf, in ms; a policy "consumer-timeout" for single queues) to 1800000, its default, or more: Blockhub holds a message for up to 26 minutes. The messages are delivered again. ${REOPENED}`,
  ],
  [
    /message size .*larger than|max(?:imum)? (?:allowed )?message size/i,
    'Raise max_message_size of RabbitMQ, or lower maxMessageBytes in the broker URL to the same value. Then such a message is refused before it is sent.',
  ],
  [
    /inequivalent arg/,
    'Correct the argument that the reason names, at the queue or by a policy. A queue keeps its arguments until it is deleted. See docs/guides/operate.md, "Arguments of queues".',
  ],
  [
    /unknown delivery tag/,
    'This is a mistake in Blockhub, or in an AMQP proxy before the broker: report it. The messages are delivered again.',
  ],
  [
    /channel_max|number of channels/i,
    'Raise channel_max of RabbitMQ. Blockhub needs a channel for each queue that a process consumes from, and a few more.',
  ],
  [
    /connection.*limit|node connection limit/i,
    'Raise the limit of connections of the user, the virtual host or the node (max-connections). Each Blockhub process needs two.',
  ],
  [/queue limit|limit of queues|max-queues/i, 'Raise the limit of queues (max-queues) of the virtual host.'],
  [/vhost.* (?:not found|is down|does not exist|deleted)|no such vhost/i, vhostFix],
  [/access to vhost .* refused|access refused to vhost/i, rights],
  [/user .* (?:deleted|is deleted)/i, 'Make the user again, or name another one (--broker-user).'],
  [
    /deprecated|feature .*not (?:permitted|enabled)/i,
    'Allow the feature that the reason names in rabbitmq.conf (deprecated_features.permit.*), or update Blockhub.',
  ],
];

const fixesByReply: Readonly<Record<number, string>> = {
  311: 'Raise max_message_size of RabbitMQ, or lower maxMessageBytes in the broker URL to the same value.',
  320: `An operator or a shutdown closed the connection: see the log of RabbitMQ. If it happens again, look for a policy or a program that closes connections. ${REOPENED}`,
  402: 'Correct the virtual host in --broker.',
  403: rights,
  404: 'A queue or exchange was deleted while it was used. Blockhub declares it again. Find what deletes it: a policy (expires), an operator or another program.',
  405: 'Another connection has the queue for itself. Look for a second process with the same BLOCKHUB_INSTANCE, or wait until the old connection is gone.',
  406: 'Compare the queue, and the policies that apply to it, with the reason.',
  506: 'Free memory, disk or file descriptors of RabbitMQ; see its log.',
  530: `Correct the virtual host in --broker, or the rights of the user. ${rights}`,
  540: 'Use RabbitMQ 3.10 or newer.',
  541: 'RabbitMQ failed: see its log.',
};

const otherwise = `See the log of RabbitMQ. ${REOPENED}`;
const replyText = /with message "([\s\S]*)"$/;
const MAX_REASON_LETTERS = 500;

/** Undefined if the broker gave no reason, for example because the connection was cut. */
export function closeReason(error: unknown): CloseReason | undefined {
  const { code, message = '' } = (error ?? {}) as { code?: unknown; message?: string };
  const reason = replyText.exec(message)?.[1];
  if (typeof code !== 'number' || reason === undefined) return undefined;
  const fix = fixesByText.find(([text]) => text.test(reason))?.[1] ?? fixesByReply[code] ?? otherwise;
  return { reply: code, reason: reason.slice(0, MAX_REASON_LETTERS), fix };
}

/** One cause can close many channels, again and again. */
const LOG_AGAIN_MS = 60_000;

/** Logs why the broker closed something, once a minute for each place and reply code. */
export class CloseLog {
  readonly #log: BrokerLog | undefined;
  readonly #pace: Pace;

  constructor(clock: Clock, log: BrokerLog | undefined) {
    this.#log = log;
    this.#pace = new Pace(clock, LOG_AGAIN_MS);
  }

  /** Writes nothing if the error has no reason of the broker. */
  write(error: unknown, place: Readonly<Record<string, string>>): void {
    const reason = closeReason(error);
    if (!reason || this.#pace.pass(JSON.stringify([place, reason.reply])) === 0) return;
    this.#log?.warn({ ...place, ...reason }, 'broker closed a channel');
  }
}

/** Its `fix` is that of the broker's reason, or of the error that caused it. */
export const unavailable = (text: string, cause?: unknown): BlockhubError =>
  new BlockhubError('BROKER_UNAVAILABLE', text, {
    cause,
    fix: closeReason(cause)?.fix ?? (cause instanceof BlockhubError ? cause.fix : undefined),
  });

export const blockedBroker = (): BlockhubError =>
  new BlockhubError('BROKER_UNAVAILABLE', 'the broker accepts no messages now: it is short of memory or disk', {
    fix: 'Give RabbitMQ memory or free its disk; `rabbitmqctl status` names the alarm. Let the consumers go on, and purge no queue.',
  });

export const tooLarge = (queue: string, id: string, why: string, cause?: unknown): BlockhubError =>
  new BlockhubError('BROKER_MESSAGE_TOO_LARGE', `message ${id.slice(0, 100)} for "${queue}" is too large: ${why}`, {
    cause,
    details: { queue },
  });

const replyCodes = { DENIED: 403, MISSING: 404, LOCKED: 405, MISMATCH: 406 } as const;

/** True if the broker refused a request. It has closed the channel, and nothing else. */
export const isRefusal = (error: unknown, refusal: keyof typeof replyCodes): error is Error =>
  error instanceof Error && (error as { code?: unknown }).code === replyCodes[refusal];

/** The error of a request about a queue. If the broker did not refuse it, the connection failed. */
export function queueError(error: unknown, queue: string): BlockhubError {
  if (error instanceof BlockhubError) return error;
  if (isRefusal(error, 'MISSING')) return missingQueue(queue);
  const reason = closeReason(error);
  const text = reason ? ` (${reason.reply}: ${reason.reason})` : '';
  const refused = (code: 'BROKER_QUEUE_MISMATCH' | 'BROKER_DENIED', why: string): BlockhubError =>
    new BlockhubError(code, `queue "${queue}" ${why}${text}`, {
      cause: error,
      details: { queue },
      fix: code === 'BROKER_DENIED' ? reason?.fix : undefined,
    });
  if (isRefusal(error, 'LOCKED')) return refused('BROKER_QUEUE_MISMATCH', 'belongs to another connection, or is of another kind');
  if (isRefusal(error, 'MISMATCH')) return refused('BROKER_QUEUE_MISMATCH', 'is declared with other arguments');
  if (isRefusal(error, 'DENIED')) return refused('BROKER_DENIED', 'is not permitted to this user');
  return unavailable(`the broker did not answer${text}`, error);
}

/** BROKER_DENIED if user or password are refused, else BROKER_UNAVAILABLE. */
export function connectError(cause: unknown, { host, port }: Address, vhost: string): BlockhubError {
  const text = cause instanceof Error ? cause.message : String(cause);
  const details = { host, port };
  if (text.includes('ACCESS_REFUSED') || text.includes('ACCESS-REFUSED'))
    return new BlockhubError('BROKER_DENIED', `${host}:${port} refuses user or password`, { cause, details, fix: loginFix });
  const fault = networkFault(cause, connectSettings);
  const handshake = fault ? undefined : handshakes.find(([message]) => message.test(text));
  const what = handshake?.[1].replace('{vhost}', vhost) ?? fault?.what;
  // Node's text is empty if it tried several addresses of a name.
  const why = [what, text].filter(Boolean).join(': ');
  const fix = handshake?.[2].replaceAll('{vhost}', vhost) ?? fault?.fix;
  return new BlockhubError('BROKER_UNAVAILABLE', `no connection to ${host}:${port}: ${why}`, { cause, details, fix });
}

const loginFix =
  'Correct --broker-user and --broker-password, or user and password in the broker URL. RabbitMQ accepts guest from its own machine only. `rabbitmqctl authenticate_user` tries a login.';

const connectSettings = {
  setting: '--broker',
  tls: { on: 'write amqps://', off: 'write amqp://', ca: 'name the file of its authority (PEM) by ?ca=/path.pem in --broker' },
};

const notAmqp =
  'Correct the port in --broker: RabbitMQ speaks AMQP at 5672, and with TLS (amqps://) at 5671; 15672 is its management API. A proxy before it must pass TCP on.';

/** By amqplib's message. It gives no reason for a refused virtual host or a starting server. */
const handshakes: readonly (readonly [message: RegExp, what: string, fix: string])[] = [
  [
    /Expected ConnectionOpenOk/,
    'virtual host "{vhost}" is missing, refused or not up yet',
    'Make the virtual host "{vhost}" (`rabbitmqctl add_vhost`) or correct its name in --broker; give the user rights in it (`rabbitmqctl set_permissions -p`), and look at limits of its connections. While RabbitMQ starts, this ends by itself.',
  ],
  [/mechanism .*not provided/i, 'the broker does not accept user and password', 'Allow the mechanism PLAIN in RabbitMQ (auth_mechanisms).'],
  [/NOT_ALLOWED|NOT-ALLOWED/, 'the broker refuses this user', 'Correct the virtual host in --broker and the rights of the user there.'],
  [/frame|Invalid|Expected connection|wasn't expecting|Malformed/i, 'the server there does not speak AMQP 0-9-1', notAmqp],
  // amqplib's timeout of the connection and its handshake together.
  [/^connect ETIMEDOUT$/, 'the server there does not answer in AMQP', `${notAmqp} Or RabbitMQ is overloaded or still starting.`],
  [/closed abruptly/, 'the other side ended the connection at once', notAmqp],
];
