import { invalidUrl } from '../../checks.ts';

/** Where RabbitMQ is and how to speak to it: what an `amqp:` or `amqps:` URL says. */
export interface AmqpTarget {
  readonly tls: boolean;
  /** Tried in turn, from a random one. */
  readonly addresses: readonly Address[];
  readonly vhost: string;
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** Files, read at every connect so that they may be renewed. */
  readonly passwordFile: string | undefined;
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** A peer that is silent for two of these is dead. */
  readonly heartbeatSeconds: number;
  /** The server's `max_message_size`: a larger message would close the channel of others. */
  readonly maxMessageBytes: number;
  /** Base URL of the management API, for what AMQP cannot tell. */
  readonly management: string | undefined;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

const MIB = 2 ** 20;
const known = new Set(['host', 'heartbeat', 'maxMessageBytes', 'passwordFile', 'ca', 'cert', 'key', 'management']);
const repeated = new Set(['host']);

/** BROKER_URL_INVALID names the wrong part; no text of it holds user or password. */
export function parseAmqpUrl(url: URL): AmqpTarget {
  // Without them all is a path, and a password may be an option.
  if (!url.href.startsWith(`${url.protocol}//`)) throw invalidUrl('host', `an address is missing: write ${url.protocol}//host:5672`);
  const options = url.searchParams;
  for (const name of options.keys()) {
    if (!known.has(name)) throw invalidUrl(name, `amqp broker URLs have no option "${name}", there are ${[...known].join(', ')}`);
    if (!repeated.has(name) && options.getAll(name).length > 1) throw invalidUrl(name, `option "${name}" is given twice`);
  }
  if (url.hash) throw invalidUrl('hash', 'a broker URL has no part behind #: write %23 for a # in names and passwords');
  const tls = url.protocol === 'amqps:';
  const target = {
    tls,
    addresses: [url.host, ...options.getAll('host')].map((text) => parseAddress(text, tls)),
    vhost: decode('path', url.pathname.slice(1)) || '/',
    user: decode('user', url.username) || undefined,
    password: decode('password', url.password) || undefined,
    passwordFile: file(options, 'passwordFile'),
    ca: file(options, 'ca'),
    cert: file(options, 'cert'),
    key: file(options, 'key'),
    heartbeatSeconds: integer(options, 'heartbeat', { least: 1, most: 600, otherwise: 10 }),
    maxMessageBytes: integer(options, 'maxMessageBytes', { least: 1024, most: 512 * MIB, otherwise: 16 * MIB }),
    management: management(options.get('management')),
  };
  checkTogether(target);
  return target;
}

function checkTogether({ tls, ca, cert, key, user, password, passwordFile }: AmqpTarget): void {
  if (!tls && (ca ?? cert ?? key) !== undefined) throw invalidUrl('scheme', 'ca, cert and key need amqps:');
  if ((cert === undefined) !== (key === undefined)) throw invalidUrl(cert ? 'key' : 'cert', 'cert and key go together');
  if (password !== undefined && passwordFile !== undefined) throw invalidUrl('passwordFile', 'there is a password in the URL already');
  if (password !== undefined && user === undefined) throw invalidUrl('user', 'the URL has a password and no user');
}

function parseAddress(text: string, tls: boolean): Address {
  const address = `amqp://${text}`;
  const { hostname, port, host, pathname, username } = URL.canParse(address) ? new URL(address) : new URL('amqp:');
  if (!hostname || host !== text || pathname !== '' || username)
    throw invalidUrl('host', 'an address is missing or wrong; write host or host:5672');
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port ? Number(port) : tls ? 5671 : 5672 };
}

function decode(field: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // The cause would quote it.
    throw invalidUrl(field, `the ${field} of the broker URL holds a wrong % escape: write %25 for a percent sign`);
  }
}

function file(options: URLSearchParams, name: string): string | undefined {
  const path = options.get(name) ?? undefined;
  if (path !== undefined && !path.startsWith('/')) throw invalidUrl(name, `${name} must be an absolute path of a file`);
  return path;
}

function integer(options: URLSearchParams, name: string, range: { least: number; most: number; otherwise: number }): number {
  const text = options.get(name);
  if (text === null) return range.otherwise;
  const value = /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= range.least && value <= range.most) return value;
  throw invalidUrl(name, `${name} must be a whole number from ${range.least} to ${range.most}`);
}

function management(text: string | null): string | undefined {
  if (text === null) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.search)
    throw invalidUrl('management', 'management must be a URL without user such as http://rabbitmq:15672');
  return url.href.replace(/\/$/, '');
}
