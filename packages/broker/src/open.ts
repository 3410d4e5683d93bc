import { type Clock, systemClock } from '@blockhub/clock';
import { explainRaw, findRawCharacter, hideUrl } from '@blockhub/settings';
import { invalidUrl } from './checks.ts';
import { parseAmqpUrl } from './drivers/amqp/url.ts';
import { MemoryBroker } from './drivers/memory/server.ts';
import { openSqliteBroker } from './drivers/sqlite/broker.ts';
import { brokerUserinfo } from './login.ts';
import type { Broker, BrokerLog } from './types.ts';

export interface OpenBrokerOptions {
  readonly clock?: Clock;
  readonly log?: BrokerLog;
  /** Name of the connections of this process in RabbitMQ. */
  readonly name?: string;
  /** For RabbitMQ: it replaces the one in the URL, which others may read. */
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** Drivers by URL scheme. They are added to the built-in ones or replace them. */
  readonly drivers?: Readonly<Record<string, BrokerDriver>>;
}

/** Opens a parsed URL. BROKER_URL_INVALID if it contains something unknown. */
type BrokerDriver = (url: URL, options: DriverOptions) => Promise<Broker>;

type DriverOptions = Omit<OpenBrokerOptions, 'drivers' | 'clock'> & { readonly clock: Clock };

function refuseOptions(url: URL): void {
  const [option] = url.searchParams.keys();
  if (option !== undefined) throw invalidUrl(option, `${url.protocol} broker URLs have no option "${option}"`);
}

const drivers: Readonly<Record<string, BrokerDriver>> = {
  async memory(url, { clock }) {
    refuseOptions(url);
    if (url.host || url.pathname) throw invalidUrl('path', 'the memory broker has no path: expected memory:');
    return new MemoryBroker({ clock }).connect();
  },
  async sqlite(url, options) {
    refuseOptions(url);
    return openSqliteBroker(filePath(url), options);
  },
  amqp: openAmqp,
  amqps: openAmqp,
};

async function openAmqp(url: URL, { user, password, ...options }: DriverOptions): Promise<Broker> {
  const target = parseAmqpUrl(url);
  // Loaded here, so that a process with another broker does not load the client.
  const { openAmqpBroker } = await import('./drivers/amqp/broker.ts');
  const login = { ...(user !== undefined && { user }), ...(password !== undefined && { password, passwordFile: undefined }) };
  return openAmqpBroker({ ...target, ...login }, options);
}

function filePath({ host, pathname, hash }: URL): string {
  const [first, last] = [pathname[0], pathname.at(-1)];
  if (host || first !== '/') throw invalidUrl('path', `the path must be absolute, with three slashes: sqlite:///folder/broker.sqlite`);
  if (last === '/' || hash) throw invalidUrl('path', 'the path must name a file: sqlite:///folder/broker.sqlite');
  try {
    return decodeURIComponent(pathname);
  } catch (cause) {
    throw invalidUrl('path', 'the path has a wrong % escape', cause);
  }
}

/** An example with the scheme of the URL, if that can be seen. */
const exampleOf = (url: string): string =>
  /^amqps?:/i.test(url.trim()) ? 'amqp://rabbitmq:5672/vhost' : 'sqlite:///var/lib/blockhub/broker.sqlite';

/**
 * Opens the broker of a URL: `memory:` (this process only, for tests),
 * `sqlite:///abs/path/broker.sqlite` (embedded), `amqp://host:5672/vhost` or `amqps:` (RabbitMQ;
 * options in packages/broker/README.md). BROKER_URL_INVALID names the wrong part in
 * `details.field`: `url`, `scheme`, `path` or an option.
 */
export async function openBroker(url: string, options: OpenBrokerOptions = {}): Promise<Broker> {
  const raw = findRawCharacter(url);
  if (raw) throw invalidUrl(raw.part, explainRaw(raw, brokerUserinfo));
  if (!URL.canParse(url))
    throw invalidUrl('url', `the broker URL ${JSON.stringify(hideUrl(url))} cannot be parsed: write one such as ${exampleOf(url)}`);
  const parsed = new URL(url);
  const known = { ...drivers, ...options.drivers };
  const scheme = parsed.protocol.slice(0, -1);
  const driver = Object.hasOwn(known, scheme) ? known[scheme] : undefined;
  if (!driver) throw invalidUrl('scheme', `no broker driver for "${scheme}:", there are ${Object.keys(known).join(', ')}`);
  const { drivers: _, clock = systemClock, ...others } = options;
  return driver(parsed, { clock, ...others });
}
