import { quote } from './units.ts';

/** A character of a URL that ends the part in which it was meant to stand. */
export interface RawCharacter {
  readonly part: 'user' | 'password' | 'path';
  readonly character: string;
  /** How it must be written there. */
  readonly escaped: string;
}

/** Where user and password of a kind of URL belong. */
export interface Userinfo {
  /** What it is called in a message, such as `broker URL`. */
  readonly url: string;
  /** What may stand in the URL, its special characters escaped. */
  readonly takes: 'user and password' | 'user' | 'nothing';
  /** How to give what may not stand there, or need not, such as `as BLOCKHUB_BROKER_PASSWORD`. */
  readonly instead?: string;
}

/**
 * Finds `/`, `?`, `#`, `@`, `\` or `%` that stands as it is in user or password. A parser of URLs would take it for the end of that part, and
 * the rest of a password for a host, a path or an option; and it leaves line breaks out. Gives undefined for URLs without user, and for those without a host (`sqlite:///…`).
 */
export function findRawCharacter(url: string): RawCharacter | undefined {
  const rest = /^[a-z][a-z0-9+.-]*:\/\/([^/].*)$/is.exec(url.trim())?.[1];
  if (rest === undefined) return undefined;
  const end = rest.search(/[/?#]/);
  const authority = end < 0 ? rest : rest.slice(0, end);
  const last = lastAt(rest);
  if (last < 0) return undefined;
  const userinfo = rest.slice(0, last);
  const colon = userinfo.indexOf(':');
  const found = (at: number): RawCharacter => {
    const character = rest[at] ?? '';
    const escaped = `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
    return { part: colon >= 0 && colon < at ? 'password' : 'user', character, escaped };
  };
  if (!authority.includes('@') && colon < 0 && rest[end] === '/') return { part: 'path', character: '@', escaped: '%40' };
  const raw = userinfo.search(/[/?#@\\\t\r\n]/);
  if (raw >= 0) return found(raw);
  const percent = findWrongEscape(userinfo);
  return percent < 0 ? undefined : found(percent);
}

/** The `@` that ends user and password. One in the value of an option is none. */
function lastAt(rest: string): number {
  const at = rest.lastIndexOf('@');
  const question = rest.indexOf('?');
  if (question < 0 || question > at || !/^[\w.-]+=/.test(rest.slice(question + 1))) return at;
  const before = rest.slice(0, question);
  // Behind a host the question mark begins the options; behind `user:12` it may belong to the password, and behind `user:password@host` too, but for paths.
  if (!before.includes('@')) return before.includes(':') ? at : -1;
  return /[?&][\w.-]{2,}=(?:\/|https?:)[^&]*$/.test(rest.slice(0, at)) ? before.lastIndexOf('@') : at;
}

/** Where a `%` stands that begins no character of UTF-8; -1 where none does. */
function findWrongEscape(text: string): number {
  for (const { 0: run, index } of text.matchAll(/(?:%[0-9a-f]{2})+|%/gi)) {
    try {
      decodeURIComponent(run);
    } catch {
      return index;
    }
  }
  return -1;
}

/** What is wrong with a URL in which a character stands raw, and what to write instead; the secret is not shown. */
export function explainRaw({ part, character, escaped }: RawCharacter, { url, takes, instead }: Userinfo): string {
  const holds = `the ${part} of the ${url} holds the character ${quote(character)}`;
  if (part === 'path') return `${holds}: write ${escaped} instead`;
  const behind = character === '%' ? '' : '. If the @ stands behind the host, write %40 for it';
  if (!takes.includes(part)) return `${holds}, and this URL takes no ${part}${instead ? `: give it ${instead}` : ''}${behind}`;
  return `${holds}, which ends it there: write ${escaped} instead${instead && part === 'password' ? `, or give the password ${instead}` : ''}${behind}`;
}
