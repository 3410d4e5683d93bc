import { type Clock, systemClock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import { MemoryBroker } from './drivers/memory/server.ts';
import { openSqliteBroker } from './drivers/sqlite/broker.ts';
import type { Broker, BrokerLog } from './types.ts';

export interface OpenBrokerOptions {
  readonly clock?: Clock;
  readonly log?: BrokerLog;
  /** Drivers by scheme, beside or instead of the built-in ones. */
  readonly drivers?: Readonly<Record<string, BrokerDriver>>;
}

/** Opens a parsed URL; throws BROKER_URL_INVALID for what it does not understand in it. */
export type BrokerDriver = (url: URL, options: { readonly clock: Clock; readonly log?: BrokerLog }) => Promise<Broker>;

const invalid = (field: string, text: string, cause?: unknown): BlockhubError =>
  new BlockhubError('BROKER_URL_INVALID', text, { cause, details: { field } });

function refuseOptions(url: URL): void {
  const [option] = url.searchParams.keys();
  if (option !== undefined) throw invalid(option, `${url.protocol} broker URLs have no option "${option}"`);
}

const drivers: Readonly<Record<string, BrokerDriver>> = {
  async memory(url, { clock }) {
    refuseOptions(url);
    if (url.host || url.pathname) throw invalid('path', 'the memory broker has no path: write memory:');
    return new MemoryBroker({ clock }).connect();
  },
  async sqlite(url, options) {
    refuseOptions(url);
    return openSqliteBroker(filePath(url), options);
  },
};

function filePath({ host, pathname, hash }: URL): string {
  const [first, last] = [pathname[0], pathname.at(-1)];
  if (host || first !== '/') throw invalid('path', `the path must be absolute, with three slashes: sqlite:///folder/broker.sqlite`);
  if (last === '/' || hash) throw invalid('path', 'a file must be named: sqlite:///folder/broker.sqlite');
  try {
    return decodeURIComponent(pathname);
  } catch (cause) {
    throw invalid('path', 'the path holds a wrong % escape', cause);
  }
}

/**
 * Opens the broker that a URL names: `memory:` (this process only, for tests) or `sqlite:///abs/path/broker.sqlite` (embedded).
 * BROKER_URL_INVALID names the wrong part in `details.field`: `url`, `scheme`, `path`, or an option's name.
 */
export async function openBroker(url: string, options: OpenBrokerOptions = {}): Promise<Broker> {
  if (!URL.canParse(url)) throw invalid('url', 'the broker URL cannot be parsed; an example: sqlite:///var/lib/blockhub/broker.sqlite');
  const parsed = new URL(url);
  const known = { ...drivers, ...options.drivers };
  const scheme = parsed.protocol.slice(0, -1);
  const driver = Object.hasOwn(known, scheme) ? known[scheme] : undefined;
  if (!driver) throw invalid('scheme', `no broker driver for "${scheme}:", there are ${Object.keys(known).join(', ')}`);
  return driver(parsed, { clock: options.clock ?? systemClock, ...(options.log && { log: options.log }) });
}
