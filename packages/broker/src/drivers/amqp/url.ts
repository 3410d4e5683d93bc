import { decodeUrlPart, invalidUrl, readUrlOptions, urlOption } from '@blockhub/settings';
import { brokerUserinfo } from '../../login.ts';

export interface AmqpTarget {
  readonly tls: boolean;
  /** Tried in turn, beginning with a random one. */
  readonly addresses: readonly Address[];
  readonly vhost: string;
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** Files, read at every connect, so that they may be renewed. */
  readonly passwordFile: string | undefined;
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** A peer that is silent for two heartbeats is dead. */
  readonly heartbeatSeconds: number;
  /** The server's `max_message_size`. A larger message would close the channel. */
  readonly maxMessageBytes: number;
  /** Base URL of the management API, for what AMQP does not give. */
  readonly management: string | undefined;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

const MIB = 2 ** 20;
const optionForms = {
  host: { accepts: () => true, expected: 'host or host:5672', mayRepeat: true },
  heartbeat: urlOption.wholeNumber(1, 600),
  maxMessageBytes: urlOption.wholeNumber(1024, 512 * MIB),
  passwordFile: urlOption.file,
  ca: urlOption.file,
  cert: urlOption.file,
  key: urlOption.file,
  management: urlOption.matching(/^https?:/i, 'a URL without user such as http://rabbitmq:15672'),
} as const;

const refuse = (field: string, what: string): Error => invalidUrl(brokerUserinfo, field, what);
const decode = (field: string, text: string): string => decodeUrlPart(text, field, brokerUserinfo);

/** @throws BROKER_URL_INVALID naming the wrong part, without user or password */
export function parseAmqpUrl(url: URL): AmqpTarget {
  // Without the slashes all of it is a path, and a password may be an option.
  if (!url.href.startsWith(`${url.protocol}//`)) throw refuse('host', `an address is missing: write ${url.protocol}//host:5672`);
  const { heartbeat = 10, maxMessageBytes = 16 * MIB, management, ...files } = readUrlOptions(url, optionForms, brokerUserinfo);
  const tls = url.protocol === 'amqps:';
  const target = {
    tls,
    addresses: [url.host, ...url.searchParams.getAll('host')].map((text) => parseAddress(text, tls)),
    vhost: decode('path', url.pathname.slice(1)) || '/',
    user: decode('user', url.username) || undefined,
    password: decode('password', url.password) || undefined,
    passwordFile: files.passwordFile,
    ca: files.ca,
    cert: files.cert,
    key: files.key,
    heartbeatSeconds: Number(heartbeat),
    maxMessageBytes: Number(maxMessageBytes),
    management: readManagement(management),
  };
  checkTogether(target);
  return target;
}

function checkTogether({ tls, ca, cert, key, user, password, passwordFile }: AmqpTarget): void {
  if (!tls && (ca ?? cert ?? key) !== undefined) throw refuse('scheme', 'ca, cert and key require amqps:');
  if ((cert === undefined) !== (key === undefined)) throw refuse(cert ? 'key' : 'cert', 'cert and key go together');
  if (password !== undefined && passwordFile !== undefined) throw refuse('passwordFile', 'there is a password in the URL already');
  if (password !== undefined && user === undefined) throw refuse('user', 'the URL has a password and no user');
}

function parseAddress(text: string, tls: boolean): Address {
  const address = `amqp://${text}`;
  const { hostname, port, host, pathname, username } = URL.canParse(address) ? new URL(address) : new URL('amqp:');
  if (!hostname || host !== text || pathname !== '' || username)
    throw refuse('host', 'an address is missing or wrong: write host or host:5672');
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port ? Number(port) : tls ? 5671 : 5672 };
}

function readManagement(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || url.username || url.search) throw refuse('management', `option management: expected ${optionForms.management.expected}`);
  return url.href.replace(/\/$/, '');
}
