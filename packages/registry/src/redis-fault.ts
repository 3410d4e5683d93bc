import { type ErrorCode, type Fault, GOES_ON, networkFault } from '@blockhub/errors';

/** What Redis or the network reports, in words for its operator. */
export interface RedisFault {
  readonly code: ErrorCode;
  /** The end of a sentence that begins with the name of the registry. */
  readonly what: string;
  readonly fix: string;
}

type Entry = readonly [said: RegExp, code: ErrorCode, what: string, fix: string];

const password = 'BLOCKHUB_REGISTRY_PASSWORD (or the file that BLOCKHUB_REGISTRY_PASSWORD_FILE names)';

/** All commands that are used, in the form of ACL SETUSER. */
const rights =
  '+eval +evalsha +hget +hset +hdel +hexists +zadd +zrem +zscore +zrangebylex +zrangebyscore +exists +del +info +select +client|setinfo +cluster|slots';

/** Errors of https://redis.io/docs/latest/develop/reference/protocol-spec/. First match counts. */
const entries: readonly Entry[] = [
  // Must be before the entries about passwords, because its text names them too.
  [
    /^DENIED/,
    'REGISTRY_DENIED',
    'is in protected mode and refuses connections of other machines',
    'Give the server a password (requirepass), or set protected-mode to no in a network that you trust.',
  ],
  [/^NOAUTH/, 'REGISTRY_DENIED', 'requires a password', `Set ${password}. The URL may name a user: redis://user@host.`],
  [
    /without any password configured|no password is set/,
    'REGISTRY_DENIED',
    'has no password, but got one',
    `Remove ${password}, or give the server a password (requirepass).`,
  ],
  [
    /^WRONGPASS|^ERR (?:AUTH|invalid password)/,
    'REGISTRY_DENIED',
    'refuses the user or the password',
    `Correct ${password}, and the user in --registry. ${GOES_ON}`,
  ],
  [
    /NOPERM|ACL failure|user executing the script can't/,
    'REGISTRY_DENIED',
    'refuses a command or key, because the user does not have the right',
    `Give the user its rights: ACL SETUSER {user} ~{pattern} ${rights}. ${GOES_ON}`,
  ],
  [
    /\bOOM\b/,
    'REGISTRY_FULL',
    'has no memory left and refuses writes',
    `Raise maxmemory of the Redis server, or remove other data from it. ${GOES_ON}`,
  ],
  [
    /MISCONF/,
    'REGISTRY_READ_ONLY',
    'cannot save its data to disk and refuses writes',
    `Free or repair the disk of the Redis server. Its log has the reason. To accept writes without saving: CONFIG SET stop-writes-on-bgsave-error no. ${GOES_ON}`,
  ],
  [
    /READONLY/,
    'REGISTRY_READ_ONLY',
    'is a replica and refuses writes',
    `Name the primary in --registry. If there is no primary any more, promote this server (REPLICAOF NO ONE). ${GOES_ON}`,
  ],
  [
    /NOREPLICAS/,
    'REGISTRY_READ_ONLY',
    'has too few replicas and refuses writes',
    `Start its replicas again, or lower min-replicas-to-write. ${GOES_ON}`,
  ],
  [/^LOADING/, 'REGISTRY_UNAVAILABLE', 'is loading its data', `Wait until it has loaded its data. Its log shows the progress. ${GOES_ON}`],
  [
    /^MASTERDOWN/,
    'REGISTRY_UNAVAILABLE',
    'is a replica that has lost its primary',
    `Start the primary again, or name another server in --registry. ${GOES_ON}`,
  ],
  [/^BUSY/, 'REGISTRY_UNAVAILABLE', 'is busy with a script', `Wait, or end the script: SCRIPT KILL. ${GOES_ON}`],
  [
    /CLUSTERDOWN|Hash slot not served/i,
    'REGISTRY_UNAVAILABLE',
    'is a cluster without a node for this key',
    `See CLUSTER INFO. Start the missing nodes again, and assign every slot to a node (redis-cli --cluster fix). ${GOES_ON}`,
  ],
  [/TRYAGAIN/, 'REGISTRY_UNAVAILABLE', 'is a cluster that moves this key to another node', `Wait until the move is done. ${GOES_ON}`],
  [
    /max(?:imum)? number of clients|too many connections/i,
    'REGISTRY_UNAVAILABLE',
    'has no connection left',
    `Raise maxclients of the Redis server, or close connections of others (CLIENT LIST). ${GOES_ON}`,
  ],
  [/^(?:MOVED|ASK) /, 'REGISTRY_UNUSABLE', 'is a cluster, and another node has the key', 'Remove cluster=off from --registry.'],
  [
    /Too many Cluster redirections/,
    'REGISTRY_UNAVAILABLE',
    'is a cluster whose nodes disagree about which of them has this key',
    `See redis-cli --cluster check. ${GOES_ON}`,
  ],
  [
    /CROSSSLOT/,
    'REGISTRY_UNUSABLE',
    'spreads the keys of one command over several slots',
    'Name a server or proxy in --registry that keeps keys with one hash tag ({…}) together, as Redis Cluster does.',
  ],
  [
    /DB index is out of range|invalid DB index|SELECT is not allowed/i,
    'REGISTRY_UNUSABLE',
    'has no such database',
    'Correct the number at the end of the path in --registry. A cluster has 0 only: write no number.',
  ],
  [
    /unknown command/i,
    'REGISTRY_UNUSABLE',
    'does not have a command that Blockhub requires',
    'Use a Redis or Valkey with Lua scripts, whose commands EVAL and EVALSHA are not renamed. Some proxies do not support them.',
  ],
  [/cluster support disabled/i, 'REGISTRY_UNUSABLE', 'is not a cluster', 'Remove cluster=on from --registry.'],
  [
    /^(?:Protocol error|Unknown RESP type)/,
    'REGISTRY_UNUSABLE',
    'does not speak the protocol of Redis',
    'Correct host and port in --registry. Another server listens there.',
  ],
];

const way = {
  setting: '--registry',
  tls: { on: 'write rediss://', off: 'write redis://', ca: 'name the PEM file of its authority with ?ca=/path.pem in --registry' },
};
const lasting: ReadonlySet<Fault['kind']> = new Set(['certificate', 'protocol']);

export interface FaultContext {
  readonly user: string;
  readonly pattern: string;
}

/** What an error of the client means. Undefined if it says only that there was no answer. */
export function redisFault(error: Error, { user, pattern }: FaultContext): RedisFault | undefined {
  const found = entries.find(([said]) => said.test(error.message));
  if (found) return { code: found[1], what: found[2], fix: found[3].replace('{user}', user).replace('{pattern}', pattern) };
  const fault = networkFault(error, way);
  if (!fault) return undefined;
  const code = lasting.has(fault.kind) ? 'REGISTRY_UNUSABLE' : 'REGISTRY_UNAVAILABLE';
  return { code, what: `cannot be reached: ${fault.what}`, fix: fault.fix };
}
