import { invalidUrl } from '../invalid-url.ts';
import { checkPrefix } from '../keys.ts';

/** Where an S3 store lies and how it is talked to. */
export interface S3Place {
  /** Such as `https://minio:9000`; undefined for AWS, whose address follows from the region. */
  readonly endpoint: string | undefined;
  readonly region: string;
  readonly bucket: string;
  /** Stands before each key: empty, or ends with a slash. */
  readonly prefix: string;
  /** Path of a proxy that stands before the bucket, such as `/s3`; empty where there is none. */
  readonly basePath: string;
  /** True where the store sees that path too, and it is part of what is signed; also where there is none. */
  readonly signBasePath: boolean;
  /** True where the bucket stands in the path, false where it stands in the host name. */
  readonly pathStyle: boolean;
  /** File with the certificates (PEM) that are trusted besides those of the system. */
  readonly ca: string | undefined;
  /** How long a connection may be silent. */
  readonly timeoutMs: number;
  /** The most connections that are open at a time. */
  readonly connections: number;
}

const SECOND = 1000;
const defaults = { region: 'us-east-1', timeoutMs: 5 * SECOND, connections: 64 };
/** What is left of the 1,024 bytes of an S3 key beside the longest key of ours. */
const MAX_PREFIX_BYTES = 120;

const amazonRegion = '[a-z]{2,}(?:-[a-z]+)+-\\d+';
/** `s3.amazonaws.com`, `s3.{region}.amazonaws.com`, `{bucket}.s3.{region}.amazonaws.com`, and the same with `s3-{region}`. */
const amazonHost = new RegExp(`^(?:(?<bucket>.+)\\.)?s3(?:[.-](?<region>${amazonRegion}))?\\.amazonaws\\.com$`);
/** An old spelling of ours. */
const amazonOldHost = new RegExp(`^s3\\.(?!dualstack\\.)(?<bucket>.+)\\.(?<region>${amazonRegion})\\.amazonaws\\.com$`);

const form = 's3://endpoint/bucket/prefix, or s3:///bucket/prefix for AWS';

/**
 * Reads `s3://endpoint[:port]/bucket/prefix`, `s3:///bucket/prefix` for AWS, and `http(s)://` with the same parts or with the bucket in
 * the host name of AWS. Options: `region`, `style` (path, virtual), `tls` (on, off), `ca`, `timeout` (seconds), `connections`,
 * `basePath` (a path of a proxy before the bucket, which may stand in the path of the URL too), `signBasePath` (on, off).
 *
 * @throws STORE_URL_INVALID naming the field or option
 */
export function parseS3Place(url: URL, env: Readonly<Record<string, string | undefined>>): S3Place {
  const options = readOptions(url);
  const host = url.host.toLowerCase();
  const amazon = (amazonHost.exec(host) ?? amazonOldHost.exec(host))?.groups;
  const isAws = host === '' || amazon !== undefined;
  if (isAws && options.tls === 'off') throw invalidUrl('option tls: AWS is only used with TLS');
  const basePath = readBasePath(options, isAws);
  const parts = readPath(withoutBase(url.pathname, basePath));
  const bucket = amazon?.bucket ?? parts.shift();
  if (bucket === undefined) throw invalidUrl(`bucket is missing: write ${form}`);
  if (!/^[A-Za-z0-9][\w.-]{1,254}$/.test(bucket)) throw invalidUrl(`bucket ${JSON.stringify(bucket)} is not a name that S3 takes`);
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
  if (signBasePath !== undefined && basePath === '') throw invalidUrl('option signBasePath: it needs basePath');
  if (basePath !== '' && isAws) throw invalidUrl('option basePath: AWS has no path before the bucket');
  if (basePath.length > MAX_BASE_PATH) throw invalidUrl(`option basePath: it is longer than ${MAX_BASE_PATH} characters`);
  if (basePath.split('/').some((part) => part === '.' || part === '..')) throw invalidUrl('option basePath: it holds a part . or ..');
  return basePath.replace(/\/$/, '');
}

/** The path behind the base, whether or not the base stands in it. */
function withoutBase(pathname: string, basePath: string): string {
  if (basePath === '' || !`${pathname}/`.startsWith(`${basePath}/`)) return pathname;
  return pathname.slice(basePath.length);
}

/** The URL as it is shown, with the base in its path. */
export function shownPath({ pathname, searchParams }: URL): string {
  const basePath = (searchParams.get('basePath') ?? '').replace(/\/$/, '');
  return basePath + withoutBase(pathname, basePath);
}

function usesTls({ protocol }: URL, { tls }: Options): boolean {
  const byScheme = protocol === 'http:' ? 'off' : 'on';
  if (protocol !== 's3:' && tls !== undefined && tls !== byScheme) throw invalidUrl(`option tls: ${tls} contradicts ${protocol}//`);
  return (tls ?? byScheme) === 'on';
}

/** The options by name, each with the form of its value. */
const optionForms = {
  region: /^[\w-]{1,64}$/,
  style: /^(?:path|virtual)$/,
  tls: /^(?:on|off)$/,
  ca: /^\/.+$/,
  timeout: /^[1-9]\d{0,2}$/,
  connections: /^[1-9]\d{0,3}$/,
  basePath: /^(?:\/[\w.~-]+)+\/?$/,
  signBasePath: /^(?:on|off)$/,
} as const;

const optionTexts: Readonly<Record<keyof typeof optionForms, string>> = {
  region: 'a region such as eu-west-1',
  style: 'path or virtual',
  tls: 'on or off',
  ca: 'the absolute path of a PEM file',
  timeout: 'whole seconds from 1 to 999',
  connections: 'a number from 1 to 9999',
  basePath: 'a path such as /s3, of letters, digits and . _ ~ -',
  signBasePath: 'on or off',
};

type Options = { readonly [Name in keyof typeof optionForms]?: string };

function readOptions(url: URL): Options {
  if (url.hash !== '') throw invalidUrl(`unknown option ${url.hash}`);
  const options: Record<string, string> = {};
  for (const [name, value] of url.searchParams) {
    if (!Object.hasOwn(optionForms, name)) {
      const hint = /key|secret|password|token/i.test(name) ? ': credentials belong in the environment or in a file, not in the URL' : '';
      throw invalidUrl(`unknown option ${name}${hint || `, known are ${Object.keys(optionForms).join(', ')}`}`);
    }
    if (Object.hasOwn(options, name)) throw invalidUrl(`option ${name} is given more than once`);
    const known = name as keyof typeof optionForms;
    if (!optionForms[known].test(value)) throw invalidUrl(`option ${name}: write ${optionTexts[known]}`);
    options[name] = value;
  }
  return options;
}

/** The parts of the path; a slash at its end means nothing. */
function readPath(pathname: string): string[] {
  try {
    const path = decodeURIComponent(pathname).replace(/^\//, '').replace(/\/$/, '');
    return path === '' ? [] : path.split('/');
  } catch (error) {
    throw invalidUrl('the path holds a wrong % escape', error);
  }
}

function prefixOf(parts: readonly string[]): string {
  if (parts.length === 0) return '';
  const prefix = `${parts.join('/')}/`;
  try {
    checkPrefix(prefix);
  } catch (error) {
    throw invalidUrl(`prefix: ${(error as Error).message}`, error);
  }
  if (Buffer.byteLength(prefix) > MAX_PREFIX_BYTES) throw invalidUrl(`prefix is longer than ${MAX_PREFIX_BYTES - 1} bytes`);
  return prefix;
}
