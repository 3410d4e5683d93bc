import { decodeUrlPart, invalidUrl, readAuthorities, readUrlOptions, urlOption } from '@blockhub/settings';
import { registryUserinfo } from './secrets.ts';

export interface RedisTarget {
  readonly host: string;
  readonly port: number;
  readonly db: number;
  readonly username: string | undefined;
  readonly prefix: string;
  /** `auto`: from the first redirection on. */
  readonly cluster: 'auto' | 'on' | 'off';
  /** The authorities that are trusted; undefined without TLS. */
  readonly tls: { readonly ca?: string[] } | undefined;
}

const DEFAULT_PORT = 6379;
const optionForms = {
  prefix: urlOption.matching(/^[\w.:-]{1,64}$/, '1 to 64 letters, digits and . _ : -'),
  cluster: urlOption.oneOf('auto', 'on', 'off'),
  ca: urlOption.file,
} as const;

const refuse = (field: string, what: string): Error => invalidUrl(registryUserinfo, field, what);

/**
 * Reads `redis[s]://[user@]host[:port][/database]`. Options: `prefix` of the keys, `cluster` (auto,
 * on, off), `ca` (absolute path of a PEM file, for rediss). @throws REGISTRY_URL_INVALID
 */
export function parseRedisUrl(url: URL): RedisTarget {
  const { protocol, hostname, port, pathname, username } = url;
  if (hostname === '') throw refuse('host', `expected a host: write ${protocol}//host:${DEFAULT_PORT}`);
  const digits = /^(?:\/(\d{1,5})?)?$/.exec(pathname);
  if (!digits) throw refuse('path', 'expected the number of a database as the path, such as /0');
  const db = Number(digits[1] ?? 0);
  const { prefix = 'blockhub', cluster = 'auto', ca } = readUrlOptions(url, optionForms, registryUserinfo);
  const isTls = protocol === 'rediss:';
  if (!isTls && ca !== undefined) throw refuse('ca', 'option ca: it requires TLS, write rediss://');
  if (cluster === 'on' && db !== 0) throw refuse('path', 'a cluster has no database but 0: write no number in the path');
  return {
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: port === '' ? DEFAULT_PORT : Number(port),
    db,
    username: username === '' ? undefined : decodeUrlPart(username, 'user', registryUserinfo),
    prefix,
    cluster: cluster as RedisTarget['cluster'],
    tls: isTls ? (ca === undefined ? {} : { ca: readAuthorities(ca, registryUserinfo) }) : undefined,
  };
}
