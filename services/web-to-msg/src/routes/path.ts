import { BlockhubError, quote } from '@blockhub/errors';

/** Maximum length of an id or name of a chain, decoded. */
const MAX_CHAIN = 128;
const APPEND = '/append/chain/';
const UNRESERVED = /^[A-Za-z0-9._~-]$/;
/** A path of these characters only is in its normal form. */
const NORMAL = /^[A-Za-z0-9/._~!$&'()*+,;=:@-]*$/;
const BAD_ESCAPE = /%(?![0-9A-Fa-f]{2}).{0,2}/;

/** The path of a target, which may be absolute (RFC 9112, 3.2.2). @throws REQUEST_INVALID */
export function pathOf(url: string): string {
  const from = url.charCodeAt(0) === 0x2f ? 0 : authorityEnd(url);
  let end = from;
  while (end < url.length && url[end] !== '?' && url[end] !== '#') end++;
  return from === end ? '/' : url.slice(from, end);
}

function authorityEnd(url: string): number {
  const absolute = /^https?:\/\/[^/?#]+/i.exec(url);
  if (absolute) return absolute[0].length;
  if (url === '*') throw invalid('The target * is for OPTIONS only. Append to /append/chain/{chain}.');
  if (/^https?:/i.test(url)) throw invalid('The target has no host after http://.');
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1];
  throw scheme === undefined
    ? invalid('The target must begin with / or with http://.')
    : invalid(`The target has the scheme ${scheme.slice(0, 20)}; expected a path, http:// or https://.`);
}

/**
 * RFC 3986, 6.2.2: escapes in capitals, no escapes of letters, digits and `-._~`, and one for each
 * byte that needs it. A broken escape is not changed.
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

/** True if a segment is `.` or `..`, which proxies and servers resolve in different ways. */
export const hasDots = (normal: string): boolean => /\/\.{1,2}(?:\/|$)/.test(normal);

/** The chain of `/append/chain/{chain}` if it has no escapes. */
export function plainChain(path: string): string | undefined {
  if (!path.startsWith(APPEND)) return undefined;
  const chain = path.slice(APPEND.length);
  return /^[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,127}$/.test(chain) ? chain : undefined;
}

/** @throws REQUEST_INVALID, ROUTE_NOT_FOUND, CHAIN_NOT_FOUND: each fault has its own text */
export function chainOf(normal: string): string | undefined {
  if (!normal.startsWith(APPEND)) return undefined;
  const rest = normal.slice(APPEND.length);
  if (rest === '') throw notFound('The path has no chain. Append to /append/chain/{chain}.');
  if (rest.startsWith('/')) throw emptySegment();
  const slash = rest.indexOf('/');
  if (slash === rest.length - 1) throw endsWithSlash();
  if (slash >= 0) throw notFound('The path has further segments after the chain. Append to /append/chain/{chain}.');
  checkEscapes(rest);
  const chain = decodeURIComponent(rest);
  if (chain.length > MAX_CHAIN) throw noChain(`The id or name of the chain has ${chain.length} characters; expected at most ${MAX_CHAIN}.`);
  if (chain.includes('/')) throw noChain('The name of a chain cannot have a / in it (%2F).');
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

/** What is wrong with a path without a route. `known` is true for paths that have one. */
export function faultOf(normal: string, known: (path: string) => boolean): BlockhubError {
  const bad = badEscape(normal);
  if (bad) return bad;
  if (normal.includes('\\') || normal.includes('%5C')) return notFound('The path has a backslash. Separate its segments with /.');
  if (normal.includes('//')) return emptySegment();
  if (normal.length > 1 && normal.endsWith('/') && known(normal.slice(0, -1))) return endsWithSlash();
  const lower = normal.toLowerCase();
  if (lower !== normal && (lower.startsWith(APPEND) || known(lower)))
    return notFound('Paths are case-sensitive. Write this path in lower case.');
  if (/^\/append(?:\/chains?)?\/?$/.test(lower)) return notFound('The path has no chain. Append to /append/chain/{chain}.');
  if (/^\/append\/chains\//.test(lower)) return notFound('The path has "chains" in place of "chain". Append to /append/chain/{chain}.');
  if (/^\/append\//.test(lower))
    return notFound('The path must have "chain/" and the chain after /append/. Append to /append/chain/{chain}.');
  if (/^\/chains?\//.test(lower)) return notFound('The path does not begin with /append. Append to /append/chain/{chain}.');
  return notFound('There is no route for this path.');
}

export const dotSegments = (): BlockhubError => notFound('The path has a segment . or .. in it. Send the path without them.');
const emptySegment = (): BlockhubError => notFound('The path has an empty segment (//). Write a single /.');
const endsWithSlash = (): BlockhubError => notFound('The path ends with a slash. Remove it.');
const invalid = (what: string): BlockhubError => new BlockhubError('REQUEST_INVALID', what);
const notFound = (what: string): BlockhubError => new BlockhubError('ROUTE_NOT_FOUND', what);
const noChain = (what: string): BlockhubError => new BlockhubError('CHAIN_NOT_FOUND', what);
