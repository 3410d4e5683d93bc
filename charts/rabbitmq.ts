import { argumentsOf, backExchange, delayPrefix, lostExchange } from '@blockhub/broker/rabbitmq';
import { groups } from '@blockhub/mesh';
import { catalogues, declaration, declarations, type QueueEntry, queueEntries, queues } from '@blockhub/message';
import { type ChartPlace, meshPlaces } from './places.ts';
import { PARTITIONS } from './service-values.ts';

/** What a user may do, as regular expressions of names. */
interface Permissions {
  readonly configure: string;
  readonly write: string;
  readonly read: string;
}

/** What else a chart needs about the user of a place. */
interface UserOf {
  /** The group that switches the place on. `setup` is in none. */
  readonly group?: string;
  /** Settings of the place with names of queues that are in no catalogue. */
  readonly namesQueues?: readonly string[];
}

export interface Topology {
  /** The groups of places. */
  readonly groups: readonly string[];
  readonly users: Readonly<Record<string, Permissions & UserOf>>;
  /** `{p}` in a name stands for every partition. */
  readonly queues: readonly {
    readonly name: string;
    readonly group: string;
    readonly arguments: Readonly<Record<string, unknown>>;
  }[];
}

const quoted = (text: string): string => text.replaceAll('.', '\\.');
const pattern = (family: string): string => quoted(family).replace('{p}', '[0-9]+').replace('{instance}', '.+');
const oneOf = (patterns: Iterable<string>): string => {
  const all = [...new Set(patterns)];
  return all.length === 0 ? '^$' : `^(${all.join('|')})$`;
};

/** The exchange for publishing by the name of a queue. */
const DIRECT = 'amq\\.default';
/** Exchanges and queues in which retries wait. Every consumer may need them. */
const RETRIES = `${quoted(backExchange)}|${quoted(lostExchange)}|${quoted(delayPrefix)}[0-9]+`;

/**
 * The fewest permissions that a place needs when its queues exist. RabbitMQ requires `configure`
 * for every declaration, even if it changes nothing, and `write` for a binding. A place that only
 * publishes cannot read.
 */
function permissionsOf({ queues: taken, own, declares }: ChartPlace): Permissions {
  const retries = taken.length > 0 ? [RETRIES] : [];
  const ends = queueEntries()
    .filter(({ name }) => taken.includes(name))
    .flatMap(({ deadLetterTo }) => deadLetterTo ?? []);
  // An operator reads and replays dead letters in the pods of the place that keeps them.
  const kept = declares.filter((family) => family === queues.kept.name);
  return {
    configure: oneOf([...declares.map(pattern), ...retries]),
    write: oneOf([DIRECT, ...[...taken, ...ends].map(pattern), ...retries]),
    read: oneOf([...[...taken, ...own, ...kept].map(pattern), ...retries]),
  };
}

const isDurable = ({ kind }: QueueEntry): boolean => kind === 'durable';
const durable = queueEntries().filter(isDurable);

/**
 * A user that declares a queue needs `read` for it, and `write` for the exchange of its dead
 * letters.
 */
const setup: Permissions = {
  configure: oneOf(durable.map(({ name }) => pattern(name))),
  write: oneOf([DIRECT]),
  read: oneOf(durable.map(({ name }) => pattern(name))),
};

/** Users and queues of a mesh, for the definitions of RabbitMQ. */
export const topology: Topology = {
  groups: groups.map(({ name }) => name),
  users: {
    ...Object.fromEntries(
      meshPlaces.map((place) => {
        const { name, group, namesQueues } = place;
        return [name, { ...permissionsOf(place), ...(group && { group }), ...(namesQueues.length > 0 && { namesQueues }) }];
      }),
    ),
    setup,
  },
  queues: Object.keys(catalogues).flatMap((group) =>
    queueEntries([group])
      .filter(isDurable)
      .map((entry) => ({ name: entry.name, group, arguments: argumentsOf(declaration(entry, entry.name)) })),
  ),
};

/**
 * The same as a file of definitions, for a RabbitMQ that no chart installs. A user with an empty
 * hash cannot log in until it has a password.
 */
export function definitionsFile(): string {
  const vhost = '/';
  const users = Object.keys(topology.users).map((name) => ({
    name,
    password_hash: '',
    hashing_algorithm: 'rabbit_password_hashing_sha256',
    tags: [],
  }));
  const permissions = Object.entries(topology.users).map(([user, { configure, write, read }]) => ({ user, vhost, configure, write, read }));
  const all = declarations(PARTITIONS)
    .filter(({ kind }) => kind === 'durable')
    .map((queue) => ({ name: queue.name, vhost, durable: true, auto_delete: false, arguments: argumentsOf(queue) }));
  return `${JSON.stringify({ vhosts: [{ name: vhost }], users, permissions, queues: all }, null, 2)}\n`;
}
