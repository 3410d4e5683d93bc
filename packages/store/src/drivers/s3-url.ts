import { decodeUrlPart, invalidUrl, readUrlOptions, urlOption } from '@blockhub/settings';
import { checkPrefix } from '../keys.ts';
import { storeUserinfo } from '../secrets.ts';

export interface S3Target {
  /** Such as `https://minio:9000`; undefined for AWS, whose address follows from the region. */
  readonly endpoint: string | undefined;
  readonly region: string;
  readonly bucket: string;
  /** Prefix of each key: empty, or ends with a slash. */
  readonly prefix: string;
  /** Path of a proxy before the bucket, such as `/s3`; empty if there is none. */
  readonly basePath: string;
  /** True if the store gets that path too, so that it is signed. Also true if there is none. */
  readonly signBasePath: boolean;
  /** True if the bucket is in the path, false if it is in the host name. */
  readonly pathStyle: boolean;
  /** PEM file with authorities that are trusted besides those of the system. */
  readonly ca: string | undefined;
  /** How long a connection may be silent. */
  readonly timeoutMs: number;
  /** Maximum number of open connections. */
  readonly connections: number;
}

const SECOND = 1000;
const defaults = { region: 'us-east-1', timeoutMs: 5 * SECOND, connections: 64 };
/** What the longest key leaves of the 1,024 bytes of an S3 key. */
const MAX_PREFIX_BYTES = 120;

const amazonRegion = '[a-z]{2,}(?:-[a-z]+)+-\\d+';
/** `[{bucket}.]s3[.{region}].amazonaws.com`, and the same with `s3-{region}`. */
const amazonHost = new RegExp(`^(?:(?<bucket>.+)\\.)?s3(?:[.-](?<region>${amazonRegion}))?\\.amazonaws\\.com$`);
/** An old form of Blockhub. */
const amazonOldHost = new RegExp(`^s3\\.(?!dualstack\\.)(?<bucket>.+)\\.(?<region>${amazonRegion})\\.amazonaws\\.com$`);

const form = 's3://endpoint/bucket/prefix, or s3:///bucket/prefix for AWS';

const refuse = (field: string, what: string, cause?: unknown): Error => invalidUrl(storeUserinfo, field, what, cause);

/**
 * Reads `s3://endpoint[:port]/bucket/prefix`, `s3:///bucket/prefix` for AWS, and `http(s)://` with
 * the same parts or with the bucket in the host name of AWS. The README has the options.
 * @throws STORE_URL_INVALID naming the field or option
 */
export function parseS3Url(url: URL, env: Readonly<Record<string, string | undefined>>): S3Target {
  const options = readUrlOptions(url, optionForms, storeUserinfo);
  const host = url.host.toLowerCase();
  const amazon = (amazonHost.exec(host) ?? amazonOldHost.exec(host))?.groups;
  const isAws = host === '' || amazon !== undefined;
  if (isAws && options.tls === 'off') throw refuse('tls', 'option tls: AWS requires TLS');
  const basePath = readBasePath(options, isAws);
  const parts = readPath(withoutBase(url.pathname, basePath));
  const bucket = amazon?.bucket ?? parts.shift();
  if (bucket === undefined) throw refuse('bucket', `bucket is missing: write ${form}`);
  if (!/^[A-Za-z0-9][\w.-]{1,254}$/.test(bucket))
    throw refuse('bucket', `bucket ${JSON.stringify(bucket)} is not a bucket name that S3 accepts`);
  return {
    endpoint: isAws ? undefined : `${usesTls(url, options) ? 'https' : 'http'}://${host}`,
    region: options.region ?? amazon?.region ?? (env.AWS_REGION || env.AWS_DEFAULT_REGION || defaults.region),
    bucket,
    prefix: prefixOf(parts),
    basePath,
    signBasePath: options.signBasePath !== 'off',
    pathStyle: options.style === undefined ? !isAws : options.style === 'path',
    ca: options.ca,
    timeoutMs: options.timeout === undefined ? defaults.timeoutMs : Number(options.timeout) * SECOND,
    connections: options.connections === undefined ? defaults.connections : Number(options.connections),
  };
}

const MAX_BASE_PATH = 200;

function readBasePath({ basePath = '', signBasePath }: Options, isAws: boolean): string {
  if (signBasePath !== undefined && basePath === '') throw refuse('signBasePath', 'option signBasePath: it requires basePath');
  if (basePath !== '' && isAws) throw refuse('basePath', 'option basePath: AWS has no path before the bucket');
  if (basePath.length > MAX_BASE_PATH) throw refuse('basePath', `option basePath: it is longer than ${MAX_BASE_PATH} characters`);
  if (basePath.split('/').some((part) => part === '.' || part === '..')) throw refuse('basePath', 'option basePath: it has a part . or ..');
  return basePath.replace(/\/$/, '');
}

/** The path behind the base, whether or not the URL has the base. */
function withoutBase(pathname: string, basePath: string): string {
  if (basePath === '' || !`${pathname}/`.startsWith(`${basePath}/`)) return pathname;
  return pathname.slice(basePath.length);
}

/** The path of the URL as it is shown, with the base in it. */
export function shownPath({ pathname, searchParams }: URL): string {
  const basePath = (searchParams.get('basePath') ?? '').replace(/\/$/, '');
  return basePath + withoutBase(pathname, basePath);
}

function usesTls({ protocol }: URL, { tls }: Options): boolean {
  const byScheme = protocol === 'http:' ? 'off' : 'on';
  if (protocol !== 's3:' && tls !== undefined && tls !== byScheme) throw refuse('tls', `option tls: ${tls} contradicts ${protocol}//`);
  return (tls ?? byScheme) === 'on';
}

const optionForms = {
  region: urlOption.matching(/^[\w-]{1,64}$/, 'a region such as eu-west-1'),
  style: urlOption.oneOf('path', 'virtual'),
  tls: urlOption.oneOf('on', 'off'),
  ca: urlOption.file,
  timeout: urlOption.wholeNumber(1, 999),
  connections: urlOption.wholeNumber(1, 9999),
  basePath: urlOption.matching(/^(?:\/[\w.~-]+)+\/?$/, 'a path such as /s3, of letters, digits and . _ ~ -'),
  signBasePath: urlOption.oneOf('on', 'off'),
} as const;

type Options = { readonly [Name in keyof typeof optionForms]?: string };

/** The parts of the path. A slash at its end is ignored. */
function readPath(pathname: string): string[] {
  const path = decodeUrlPart(pathname, 'path', storeUserinfo).replace(/^\//, '').replace(/\/$/, '');
  return path === '' ? [] : path.split('/');
}

function prefixOf(parts: readonly string[]): string {
  if (parts.length === 0) return '';
  const prefix = `${parts.join('/')}/`;
  try {
    checkPrefix(prefix);
  } catch (error) {
    throw refuse('prefix', `prefix: ${(error as Error).message}`, error);
  }
  if (Buffer.byteLength(prefix) > MAX_PREFIX_BYTES) throw refuse('prefix', `prefix is longer than ${MAX_PREFIX_BYTES - 1} bytes`);
  return prefix;
}
