import { Cache } from '@blockhub/cache';

/** What a request declares about its body. A value that cannot be read is absent. */
export interface Declared {
  /** `type/subtype`, lower case, without parameters. */
  readonly mime?: string;
  /** Lower case, such as `utf-8`. */
  readonly charset?: string;
  /** Content codings in the order of their use, lower case, such as `deflate, br`. */
  readonly coding?: string;
  /** Language tags, such as `de` or `de, en-US`. */
  readonly language?: string;
}

const TOKEN = "[!#$%&'*+.^_`|~0-9a-z-]+";
const MIME = new RegExp(`^${TOKEN}/${TOKEN}$`);
const MAX_MIME = 127;
const CHARSET = /^[a-z0-9][a-z0-9._:+-]{0,39}$/;
/** Maximum number of characters of a header in the meta. */
const MAX_LIST = 127;

/** `text/plain`: a type and a subtype, lower case, without parameters. */
export const isMime = (text: string): boolean => text.length <= MAX_MIME && MIME.test(text);

/** Senders use few types, so parsed headers are cached. */
const parsed = new Cache<string, Pick<Declared, 'mime' | 'charset'>>(256);

/** Ignores malformed parts. Proxies may join headers; if their types differ, there is no type. */
export function parseContentType(header: string): Pick<Declared, 'mime' | 'charset'> {
  return header.length > 256 ? parse(header) : parsed.getOrMake(header, () => parse(header));
}

function parse(header: string): Pick<Declared, 'mime' | 'charset'> {
  const types = split(header, ',').filter((part) => !/^\s*(?:\*\/\*\s*(?:;.*)?)?$/s.test(part));
  const all = types.map(parseOne);
  const [first] = all;
  if (first?.mime === undefined || all.some(({ mime }) => mime !== first.mime)) return {};
  return all.every(({ charset }) => charset === first.charset) ? first : { mime: first.mime };
}

function parseOne(text: string): Pick<Declared, 'mime' | 'charset'> {
  const [type = '', ...parameters] = split(text, ';');
  const mime = trim(type).toLowerCase();
  if (!isMime(mime)) return {};
  // The first charset counts, as in browsers (WHATWG, MIME sniffing, 4.4).
  const given = parameters.find((parameter) => /^[ \t]*charset[ \t]*=/i.test(parameter));
  const charset = given === undefined ? '' : unquote(trim(given.slice(given.indexOf('=') + 1))).toLowerCase();
  return CHARSET.test(charset) ? { mime, charset } : { mime };
}

const trim = (text: string): string => text.replace(/^[ \t]+|[ \t]+$/g, '');

/** RFC 9110 has double quotes only, but some senders write single ones. */
const unquote = (text: string): string =>
  /^"(?:[^"\\]|\\.)*"$/s.test(text) ? text.slice(1, -1).replace(/\\(.)/gs, '$1') : text.replace(/^'([^']*)'$/, '$1');

/** The parts between separators that are not in double quotes. */
function split(text: string, separator: string): string[] {
  if (!text.includes('"')) return text.split(separator);
  const parts: string[] = [];
  let [from, quoted] = [0, false];
  for (let at = 0; at < text.length; at++) {
    const sign = text[at];
    if (sign === '"') quoted = !quoted;
    else if (quoted && sign === '\\') at++;
    else if (!quoted && sign === separator) {
      parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  return [...parts, text.slice(from)];
}

/** Other names of codings (RFC 9110, 8.4.1). */
const aliases: Readonly<Record<string, string>> = { 'x-gzip': 'gzip', 'x-compress': 'compress', 'x-deflate': 'deflate', brotli: 'br' };

/** Lower case, aliases resolved, without `identity`; unknown ones are kept. Undefined if none. */
export function parseCodings(header: string): string | undefined {
  if (header === '') return undefined;
  const codings = header
    .split(',')
    .map((part) => trim(part).toLowerCase())
    .filter((part) => part !== '' && part !== 'identity')
    .map((part) => (Object.hasOwn(aliases, part) ? (aliases[part] as string) : part));
  return codings.length === 0 ? undefined : plain(codings.join(', '));
}

/** The tags of a Content-Language header, as sent. Undefined if none can be read. */
export function parseLanguages(header: string): string | undefined {
  const tags = header
    .split(',')
    .map(trim)
    .filter((tag) => /^[a-z]{1,8}(?:-[a-z0-9]{1,8})*$/i.test(tag));
  const text = tags.join(', ');
  return text === '' || text.length > MAX_LIST ? undefined : text;
}

/** Meta is shown on terminals, so it has only printable ASCII, and at most one line. */
const plain = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?').slice(0, MAX_LIST);

/** Parses the headers. Several lines of Content-Type are several values. */
export function readDeclared(types: readonly string[], coding: string | undefined, language: string | undefined): Declared {
  const [first = ''] = types;
  const parsed = types.length > 1 ? parseContentType(types.join(',')) : parseContentType(first);
  if (coding === undefined && language === undefined) return parsed;
  const codings = coding === undefined ? undefined : parseCodings(coding);
  const languages = language === undefined ? undefined : parseLanguages(language);
  return { ...parsed, ...(codings === undefined ? {} : { coding: codings }), ...(languages === undefined ? {} : { language: languages }) };
}
