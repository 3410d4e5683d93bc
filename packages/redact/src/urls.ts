import type { Ranges } from './ranges.ts';

const END_OF_URL = /[\s"'<>`\\]/g;
const END_OF_AUTHORITY = /[/?#\s"'<>`\\]/g;

/** Gives the end of the text if nothing matches. */
function next(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.exec(text)?.index ?? text.length;
}

/**
 * User and password of every URL in a text: the text between `//` and the last `@` of the
 * authority. If a password has a raw `/`, `?` or `#`, the authority ends early: the text after its
 * colon is not a port, and all up to the last `@` of the URL is secret.
 */
export function findUserinfo(text: string, secrets: Ranges): void {
  if (!text.includes('@')) return;
  let [end, lastAt] = [-1, -1];
  for (let match = nextSlashes(text, 0); match; match = nextSlashes(text, match)) {
    const at = match;
    if (at >= end) {
      end = next(END_OF_URL, text, at);
      lastAt = text.lastIndexOf('@', end - 1);
    }
    const authorityEnd = next(END_OF_AUTHORITY, text, at);
    const sign = text.lastIndexOf('@', authorityEnd - 1);
    if (sign >= at) secrets.add(at, sign);
    else if (lastAt > authorityEnd && hasNoPort(text.slice(at, Math.min(authorityEnd, at + 300)))) secrets.add(at, lastAt);
    match = authorityEnd;
  }
}

/** Browsers accept backslashes as slashes, and JSON may have a backslash before each slash. */
const SLASHES = /\/\/+|:(?:\\\/){2,}|:\\\\+/g;

function nextSlashes(text: string, from: number): number | undefined {
  SLASHES.lastIndex = from;
  return SLASHES.test(text) ? SLASHES.lastIndex : undefined;
}

/** True for `user:pa`, the start of `user:pa/ss@host`, and not for `host:80`. */
const hasNoPort = (authority: string): boolean => !authority.startsWith('[') && /:[^:]*[^0-9:]/.test(authority);

/** Characters that end the name before them. */
const separators = new Set(Buffer.from('?&;#,"\'<>(){}|/\\`'));
const isSeparator = (code: number): boolean => code <= 0x20 || separators.has(code);
/** Maximum length of the end of a name that is read. */
const MAX_NAME = 200;

export interface ParameterRules {
  readonly isSecret: (name: string) => boolean;
  /** Only names in a URL count, after `?`, `&`, `;` or `#`, because logs have other pairs too. */
  readonly onlyInUrls: boolean;
}

/** Values of secret parameters in a text: `?token=…`, `#access_token=…`, `token="…"`. */
export function findParameters(text: string, { isSecret, onlyInUrls }: ParameterRules, secrets: Ranges): void {
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code !== EQUALS) {
      if (isSeparator(code)) start = at + 1;
      continue;
    }
    const name = text.slice(Math.max(start, at - MAX_NAME), at) || (onlyInUrls ? '' : nameBeforeBlanks(text, at));
    start = at + 1;
    if (name === '' || (onlyInUrls && !'?&;#'.includes(text[at - name.length - 1] ?? ' ')) || !isSecret(name)) continue;
    const [from, to] = valueAt(text, onlyInUrls ? at + 1 : behindBlanks(text, at + 1), onlyInUrls);
    secrets.add(from, to);
    at = Math.max(at, to - 1);
    start = to;
  }
}

/** `password = abc` is a pair too. */
function nameBeforeBlanks(text: string, at: number): string {
  return /([^\s?&;#,"'<>(){}|/\\`=]+)[ \t]+$/.exec(text.slice(Math.max(0, at - MAX_NAME), at))?.[1] ?? '';
}

function behindBlanks(text: string, at: number): number {
  let from = at;
  while (text[from] === ' ' || text[from] === '\t') from++;
  return from;
}

const EQUALS = 0x3d;
const NEXT_PARAMETER = /[;,]\s|;(?:$|[^=&;#\s]{1,100}=)/y;

/** If one of these follows a quote or an angle bracket, the value goes on. */
const GOES_ON = /[\w%.~+/=-]/;

/**
 * A quoted text, or all up to the next separator. A semicolon is a separator only before a blank or
 * a name with `=`, and a quote only if the value does not go on after it.
 */
function valueAt(text: string, from: number, escaped: boolean): [from: number, to: number] {
  const goesOn = (at: number): boolean => !escaped && GOES_ON.test(text[at] ?? '');
  const quote = text[from];
  if (quote === '"' || quote === "'") {
    const end = closing(text, from + 1, quote);
    if (!goesOn(end + 1)) return [from + 1, end];
  }
  for (let at = from; at < text.length; at++) {
    const sign = text[at] as string;
    if (sign <= ' ' || '&#'.includes(sign) || ('"<>`'.includes(sign) && at > from && !goesOn(at + 1))) return [from, at];
    if (escaped && sign === '\\') {
      if (text[at + 1] !== '\\') return [from, at];
      at++;
    }
    if (sign !== ';' && sign !== ',') continue;
    NEXT_PARAMETER.lastIndex = at;
    if (NEXT_PARAMETER.test(text)) return [from, at];
  }
  return [from, text.length];
}

function closing(text: string, from: number, quote: string): number {
  for (let at = from; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === quote) return at;
  }
  return text.length;
}

const MEMBER = /"([^"\\]{1,100})"\s*:\s*(?:"((?:[^"\\]|\\.)*)"?|([^\s,}\]"]+))/g;
/** A member of JSON inside a text of JSON. */
const ESCAPED_MEMBER = /\\{1,7}"([^"\\]{1,100})\\{1,7}"\s*:\s*(?:\\{1,7}"([^"\\]*)|([^\s,}\]"\\]+))/g;

/** Values of secret members of JSON in a text. A list or an object is replaced as a whole. */
export function findMembers(text: string, isSecret: (name: string) => boolean, secrets: Ranges): void {
  if (!text.includes('"') || !text.includes(':')) return;
  let done = 0;
  for (const { index, 0: all, 1: name = '', 2: quoted, 3: bare = '' } of text.matchAll(MEMBER)) {
    if (index < done || !isSecret(name)) continue;
    const end = index + all.length - (quoted !== undefined && all.endsWith('"') ? 1 : 0);
    const from = end - (quoted ?? bare).length;
    done = bare[0] === '[' || bare[0] === '{' ? endOfNested(text, from) : end;
    secrets.add(from, done);
  }
  if (!text.includes('\\"')) return;
  for (const { index, 0: all, 1: name = '', 2: quoted, 3: bare = '' } of text.matchAll(ESCAPED_MEMBER))
    if (isSecret(name)) secrets.add(index + all.length - (quoted ?? bare).length, index + all.length);
}

function endOfNested(text: string, from: number): number {
  for (let at = from, open = 0; at < text.length; at++) {
    const sign = text[at] as string;
    if (sign === '"') at = closing(text, at + 1, '"');
    else if (sign === '[' || sign === '{') open++;
    else if ((sign === ']' || sign === '}') && --open === 0) return at + 1;
  }
  return text.length;
}
