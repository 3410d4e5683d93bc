import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { BlockhubError, type ErrorCode } from '@blockhub/errors';
import { quoteOpen } from './hidden.ts';
import { explainRaw, findRawCharacter, type Userinfo } from './raw-characters.ts';

/** A kind of URL whose scheme names a driver, such as the store URL. */
export interface UrlKind extends Userinfo {
  /** The code of its errors. They name the wrong part in `details.field`. */
  readonly code: ErrorCode;
  /** A right URL for each scheme that messages explain. */
  readonly examples: Readonly<Record<string, string>>;
}

export interface UrlOption {
  readonly accepts: (value: string) => boolean;
  /** Ends a sentence that begins with `expected`. */
  readonly expected: string;
  readonly mayRepeat?: boolean;
}

export const urlOption = {
  matching: (form: RegExp, expected: string): UrlOption => ({ accepts: (value) => form.test(value), expected }),
  oneOf: (...words: readonly string[]): UrlOption => ({ accepts: (value) => words.includes(value), expected: list(words) }),
  wholeNumber: (least: number, most: number): UrlOption => ({
    accepts: (value) => /^\d{1,12}$/.test(value) && Number(value) >= least && Number(value) <= most,
    expected: `a whole number from ${least} to ${most}`,
  }),
  file: { accepts: (value: string) => /^\/./.test(value), expected: 'the absolute path of a file' },
};

/** @param what must not hold user or password */
export const invalidUrl = ({ code, url }: UrlKind, field: string, what: string, cause?: unknown): BlockhubError =>
  new BlockhubError(code, `${url}: ${what}`, { cause, details: { field } });

/** Refuses raw characters in user and password, and logins that this kind does not take. */
export function parseDriverUrl(text: string, kind: UrlKind): URL {
  const raw = findRawCharacter(text);
  if (raw) throw new BlockhubError(kind.code, explainRaw(raw, kind), { details: { field: raw.part } });
  // The error of `new URL` would hold the whole text.
  if (!URL.canParse(text)) throw invalidUrl(kind, 'url', `expected a URL such as ${exampleFor(text, kind)}, got ${quoteOpen(text)}`);
  const url = new URL(text);
  if (kind.takes === 'nothing' && (url.username || url.password))
    throw invalidUrl(kind, 'user', `this URL takes no user and no password: give them ${kind.instead}`);
  if (kind.takes === 'user' && url.password) throw invalidUrl(kind, 'password', `this URL takes no password: give it ${kind.instead}`);
  return url;
}

/** The driver of the URL's scheme. Its keys are schemes without colon. */
export function driverFor<D>(url: URL, drivers: Readonly<Record<string, D>>, kind: UrlKind): D {
  const scheme = url.protocol.slice(0, -1);
  const driver = Object.hasOwn(drivers, scheme) ? drivers[scheme] : undefined;
  if (driver === undefined)
    throw invalidUrl(kind, 'scheme', `unknown scheme ${url.protocol}, expected ${list(Object.keys(drivers).map((name) => `${name}:`))}`);
  return driver;
}

/** The options by name. Values of options that may repeat are in `url.searchParams`. */
export function readUrlOptions<Name extends string>(
  url: URL,
  known: Readonly<Record<Name, UrlOption>>,
  kind: UrlKind,
): { readonly [Each in Name]?: string } {
  if (url.hash !== '') throw invalidUrl(kind, 'hash', 'expected nothing behind #: write %23 for a # in a name or password');
  const options: { [Each in Name]?: string } = {};
  for (const [name, value] of url.searchParams) {
    if (!isKnown(name, known)) throw invalidUrl(kind, name, unknownOption(name, Object.keys(known), kind));
    const { accepts, expected, mayRepeat } = known[name];
    if (options[name] !== undefined && !mayRepeat) throw invalidUrl(kind, name, `option ${name} is given more than once`);
    if (!accepts(value)) throw invalidUrl(kind, name, `option ${name}: expected ${expected}`);
    options[name] = value;
  }
  return options;
}

const isKnown = <Name extends string>(name: string, known: Readonly<Record<Name, UrlOption>>): name is Name => Object.hasOwn(known, name);

function unknownOption(name: string, known: readonly string[], { instead }: UrlKind): string {
  if (/key|secret|password|token/i.test(name)) return `unknown option ${name}: secrets do not belong there, give them ${instead}`;
  return `unknown option ${name}, expected ${known.length === 0 ? 'no options' : list(known)}`;
}

/** For drivers that need nothing but their scheme, such as `memory:`. */
export function refuseUrlParts(url: URL, kind: UrlKind): void {
  readUrlOptions(url, {}, kind);
  if (url.host !== '' || url.pathname !== '') throw invalidUrl(kind, 'path', `expected nothing behind ${url.protocol}`);
}

/** The absolute path in a URL that has nothing else. */
export function readUrlPath(url: URL, of: 'file' | 'folder', kind: UrlKind): string {
  readUrlOptions(url, {}, kind);
  const { host, pathname } = url;
  if (host !== '' || !/^\/./.test(pathname) || (of === 'file' && pathname.endsWith('/')))
    throw invalidUrl(kind, 'path', `expected the absolute path of a ${of}, with three slashes: ${exampleFor(url.protocol, kind)}`);
  const path = decodeUrlPart(pathname, 'path', kind);
  if (path.includes('\0')) throw invalidUrl(kind, 'path', 'the path holds a NUL (%00)');
  return path;
}

export function decodeUrlPart(text: string, field: string, kind: UrlKind): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // The error would quote the text, which may be a password.
    throw invalidUrl(kind, field, `the ${field} holds a wrong % escape: write %25 for a percent sign`);
  }
}

/** The authorities of the system, and those in the file (PEM) that the option `ca` names. */
export function readAuthorities(path: string, kind: UrlKind): string[] {
  try {
    const pem = readFileSync(path, 'utf8');
    new X509Certificate(pem);
    // Imported at the top, it would cost memory in each process.
    return [...process.getBuiltinModule('node:tls').getCACertificates(), pem];
  } catch (error) {
    throw invalidUrl(kind, 'ca', `option ca: ${path} is not a readable file with certificates (PEM)`, error);
  }
}

function exampleFor(text: string, { examples }: UrlKind): string {
  const scheme = text.split(':', 1)[0] ?? '';
  return Object.hasOwn(examples, scheme) ? (examples[scheme] ?? '') : list(Object.values(examples));
}

const list = (words: readonly string[]): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
