import { type Clock, systemClock } from '@blockhub/clock';
import { driverFor, parseDriverUrl, readUrlPath, refuseUrlParts } from '@blockhub/settings';
import { parseAmqpUrl } from './drivers/amqp/url.ts';
import { MemoryBroker } from './drivers/memory/server.ts';
import { openSqliteBroker } from './drivers/sqlite/broker.ts';
import { brokerUserinfo } from './login.ts';
import type { Broker, BrokerLog } from './types.ts';

export interface OpenBrokerOptions {
  readonly clock?: Clock;
  readonly log?: BrokerLog;
  /** The name of this process's connections in RabbitMQ. */
  readonly name?: string;
  /** For RabbitMQ, instead of those in the URL, which other users may read. */
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** Drivers by URL scheme. They are added to the built-in ones or replace them. */
  readonly drivers?: Readonly<Record<string, BrokerDriver>>;
}

/** @throws BROKER_URL_INVALID for a part of the URL that it does not accept */
type BrokerDriver = (url: URL, options: DriverOptions) => Promise<Broker>;

type DriverOptions = Omit<OpenBrokerOptions, 'drivers' | 'clock'> & { readonly clock: Clock };

const builtIn: Readonly<Record<string, BrokerDriver>> = {
  async memory(url, { clock }) {
    refuseUrlParts(url, brokerUserinfo);
    return new MemoryBroker({ clock }).connect();
  },
  async sqlite(url, options) {
    return openSqliteBroker(readUrlPath(url, 'file', brokerUserinfo), options);
  },
  amqp: openAmqp,
  amqps: openAmqp,
};

async function openAmqp(url: URL, { user, password, ...options }: DriverOptions): Promise<Broker> {
  const target = parseAmqpUrl(url);
  // Loaded at its first use, so that an embedded broker does not load the client.
  const { openAmqpBroker } = await import('./drivers/amqp/broker.ts');
  const login = { ...(user !== undefined && { user }), ...(password !== undefined && { password, passwordFile: undefined }) };
  return openAmqpBroker({ ...target, ...login }, options);
}

/** Opens the broker of a URL, see README.md. BROKER_URL_INVALID: `details.field` names the part. */
export async function openBroker(text: string, options: OpenBrokerOptions = {}): Promise<Broker> {
  const { drivers, clock = systemClock, ...others } = options;
  const url = parseDriverUrl(text, brokerUserinfo);
  return driverFor(url, { ...builtIn, ...drivers }, brokerUserinfo)(url, { clock, ...others });
}
