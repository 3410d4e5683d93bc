import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { getCACertificates } from 'node:tls';
import { explainRaw, findRawCharacter } from '@blockhub/settings';
import { invalidUrl } from './invalid-url.ts';
import { registryUserinfo } from './secrets.ts';

/** Where a Redis registry lies and how it is talked to. */
export interface RedisPlace {
  readonly host: string;
  readonly port: number;
  /** Number of the database. */
  readonly db: number;
  readonly username: string | undefined;
  /** Stands before each key. */
  readonly prefix: string;
  /** `auto`: from the first redirection on. */
  readonly cluster: 'auto' | 'on' | 'off';
  /** The authorities that are trusted; undefined without TLS. */
  readonly tls: { readonly ca?: string[] } | undefined;
}

const DEFAULT_PORT = 6379;
const form = 'write redis://host:6379 or rediss://host:6379';

/**
 * Reads `redis[s]://[user@]host[:port][/database]`. Options: `prefix` of the keys, `cluster` (auto, on, off), `ca` (absolute path of a
 * PEM file, for rediss).
 *
 * @throws REGISTRY_URL_INVALID naming the part
 */
export function parseRedisPlace(text: string): RedisPlace {
  const raw = findRawCharacter(text);
  if (raw) throw invalidUrl(text, `cannot be read: ${explainRaw(raw, registryUserinfo)}`);
  if (!URL.canParse(text)) throw invalidUrl(text, `cannot be read: ${form}`);
  const { protocol, hostname, port, pathname, username, password, searchParams, hash } = new URL(text);
  if (password !== '')
    throw invalidUrl(text, 'has a password: give it as BLOCKHUB_REGISTRY_PASSWORD, or in a file named by that with _FILE');
  if (hostname === '') throw invalidUrl(text, `needs a host: ${form}`);
  const db = /^(?:\/(\d{1,5})?)?$/.exec(pathname);
  if (!db) throw invalidUrl(text, 'has a path that is no number of a database, such as /0');
  if (hash !== '') throw invalidUrl(text, 'has a part behind #');
  const options = readOptions(text, searchParams);
  if (protocol === 'redis:' && options.ca !== undefined) throw invalidUrl(text, 'has the option ca without TLS: write rediss://');
  if (options.cluster === 'on' && Number(db[1] ?? 0) !== 0) throw invalidUrl(text, 'names a database, and a cluster has none but 0');
  return {
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: port === '' ? DEFAULT_PORT : Number(port),
    db: Number(db[1] ?? 0),
    username: username === '' ? undefined : decodeURIComponent(username),
    prefix: options.prefix ?? 'blockhub',
    cluster: (options.cluster as RedisPlace['cluster'] | undefined) ?? 'auto',
    tls: protocol === 'redis:' ? undefined : trust(text, options.ca),
  };
}

const optionForms = { prefix: /^[\w.:-]{1,64}$/, cluster: /^(?:auto|on|off)$/, ca: /^\/.+$/ } as const;
type OptionName = keyof typeof optionForms;

function readOptions(text: string, given: URLSearchParams): { readonly [Name in OptionName]?: string } {
  const options: { [Name in OptionName]?: string } = {};
  for (const [name, value] of given) {
    if (!Object.hasOwn(optionForms, name))
      throw invalidUrl(text, `has the unknown option ${name}; known are ${Object.keys(optionForms).join(', ')}`);
    const known = name as OptionName;
    if (options[known] !== undefined) throw invalidUrl(text, `has the option ${name} more than once`);
    if (!optionForms[known].test(value)) throw invalidUrl(text, `has an option ${name} that cannot be used`);
    options[known] = value;
  }
  return options;
}

function trust(text: string, ca: string | undefined): { ca?: string[] } {
  if (ca === undefined) return {};
  try {
    const pem = readFileSync(ca, 'utf8');
    new X509Certificate(pem);
    return { ca: [...getCACertificates(), pem] };
  } catch (error) {
    throw invalidUrl(text, `has an option ca, but ${ca} is no readable file with certificates (PEM)`, error);
  }
}
