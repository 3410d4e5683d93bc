import { BlockhubError } from '@blockhub/errors';
import { quote } from '../quote.ts';

/** Of an id or name of a chain, decoded. */
const MAX_CHAIN = 128;
const APPEND = '/append/chain/';
const UNRESERVED = /^[A-Za-z0-9._~-]$/;
/** Paths of these characters alone are in their normal form. */
const NORMAL = /^[A-Za-z0-9/._~!$&'()*+,;=:@-]*$/;
const BAD_ESCAPE = /%(?![0-9A-Fa-f]{2}).{0,2}/;

/** The path of a request's target, which may be in absolute form (RFC 9112, 3.2.2). @throws REQUEST_INVALID */
export function pathOf(url: string): string {
  const from = url.charCodeAt(0) === 0x2f ? 0 : authorityEnd(url);
  let end = from;
  while (end < url.length && url[end] !== '?' && url[end] !== '#') end++;
  return from === end ? '/' : url.slice(from, end);
}

function authorityEnd(url: string): number {
  const absolute = /^https?:\/\/[^/?#]+/i.exec(url);
  if (absolute) return absolute[0].length;
  if (url === '*') throw invalid('The target * is for OPTIONS alone. Append to /append/chain/{chain}.');
  if (/^https?:/i.test(url)) throw invalid('The target names no host behind http://.');
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1];
  throw scheme === undefined
    ? invalid('The target must begin with / or with http://.')
    : invalid(`The target has the scheme ${scheme.slice(0, 20)}; expected a path, http:// or https://.`);
}

/**
 * The one spelling of all paths that mean the same (RFC 3986, 6.2.2): escapes in capitals, none for letters, digits and `-._~`, one for each byte that
 * needs it. A broken escape stays as it is.
 */
export function normalizePath(path: string): string {
  if (NORMAL.test(path)) return path;
  return path
    .replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16)}`)
    .replace(/%([0-9A-Fa-f]{2})/g, (triplet, hex: string) => {
      const character = String.fromCharCode(Number.parseInt(hex, 16));
      return UNRESERVED.test(character) ? character : triplet.toUpperCase();
    });
}

/** True where a segment is `.` or `..`, which proxies and servers resolve in different ways. */
export const hasDots = (normal: string): boolean => /\/\.{1,2}(?:\/|$)/.test(normal);

/** The chain of `/append/chain/{chain}` where it needs no second look. */
export function plainChain(path: string): string | undefined {
  if (!path.startsWith(APPEND)) return undefined;
  const chain = path.slice(APPEND.length);
  return /^[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,127}$/.test(chain) ? chain : undefined;
}

/**
 * The chain of `/append/chain/{chain}` in its normal form; undefined for all other paths.
 * @throws REQUEST_INVALID, ROUTE_NOT_FOUND, CHAIN_NOT_FOUND: each fault has its own text
 */
export function chainOf(normal: string): string | undefined {
  if (!normal.startsWith(APPEND)) return undefined;
  const rest = normal.slice(APPEND.length);
  if (rest === '') throw notFound('The path names no chain. Append to /append/chain/{chain}.');
  if (rest.startsWith('/')) throw emptySegment();
  const slash = rest.indexOf('/');
  if (slash === rest.length - 1) throw endsWithSlash();
  if (slash >= 0)
    throw notFound('The path has further segments after the chain. Append to /append/chain/{chain}, with a / of the chain as %2F.');
  checkEscapes(rest);
  const chain = decodeURIComponent(rest);
  if (chain.length > MAX_CHAIN) throw noChain(`No chain has an id or name of ${chain.length} characters; expected at most ${MAX_CHAIN}.`);
  if (chain.includes('/')) throw noChain('No chain has a / in its name, which %2F stands for.');
  return chain;
}

function badEscape(path: string): BlockhubError | undefined {
  const bad = BAD_ESCAPE.exec(path)?.[0];
  return bad === undefined
    ? undefined
    : invalid(`The path has ${quote(bad)}, which is not an escape; expected % and two hex digits, such as %20.`);
}

function checkEscapes(path: string): void {
  const bad = badEscape(path);
  if (bad) throw bad;
  try {
    decodeURIComponent(path);
  } catch {
    throw invalid('The escapes of the path are not UTF-8.');
  }
}

/** What is wrong with a path that nothing is served at. `known` says whether something is served at another one. */
export function faultOf(normal: string, known: (path: string) => boolean): BlockhubError {
  const bad = badEscape(normal);
  if (bad) return bad;
  if (normal.includes('\\') || normal.includes('%5C')) return notFound('The path has a backslash. Segments of a path have / between them.');
  if (normal.includes('//')) return emptySegment();
  if (normal.length > 1 && normal.endsWith('/') && known(normal.slice(0, -1))) return endsWithSlash();
  const lower = normal.toLowerCase();
  if (lower !== normal && (lower.startsWith(APPEND) || known(lower)))
    return notFound('Paths are case-sensitive. Write this one in lower case.');
  if (/^\/append(?:\/chains?)?\/?$/.test(lower)) return notFound('The path names no chain. Append to /append/chain/{chain}.');
  if (/^\/append\/chains\//.test(lower)) return notFound('The path has "chains" in place of "chain". Append to /append/chain/{chain}.');
  if (/^\/append\//.test(lower))
    return notFound('After /append/ the path must have "chain/" and the chain. Append to /append/chain/{chain}.');
  if (/^\/chains?\//.test(lower)) return notFound('The path lacks /append. Append to /append/chain/{chain}.');
  return notFound('Nothing is served at this path.');
}

export const dotSegments = (): BlockhubError => notFound('The path has a segment . or .. in it. Send the path as it is meant.');
const emptySegment = (): BlockhubError => notFound('The path has an empty segment (//). Write one / there.');
const endsWithSlash = (): BlockhubError => notFound('The path ends with a slash. Leave it out.');
const invalid = (what: string): BlockhubError => new BlockhubError('REQUEST_INVALID', what);
const notFound = (what: string): BlockhubError => new BlockhubError('ROUTE_NOT_FOUND', what);
const noChain = (what: string): BlockhubError => new BlockhubError('CHAIN_NOT_FOUND', what);
