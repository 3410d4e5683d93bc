import { quote } from '@blockhub/errors';

/** A character of a URL that ends the part to which it was meant to belong. */
export interface RawCharacter {
  readonly part: 'user' | 'password' | 'path';
  readonly character: string;
  /** The percent-encoded form, such as `%2F`. */
  readonly escaped: string;
}

/** Which of user and password a kind of URL takes, for messages. */
export interface Userinfo {
  /** The name of the URL in a message, such as `broker URL`. */
  readonly url: string;
  /** What the URL may contain. Special characters must be percent-encoded. */
  readonly takes: 'user and password' | 'user' | 'nothing';
  /** The other way to give it, such as `as BLOCKHUB_BROKER_PASSWORD`. */
  readonly instead?: string;
}

/**
 * Finds a `/`, `?`, `#`, `@`, `\` or `%` in user or password that is not percent-encoded. A URL
 * parser would end the part there, and use the rest of a password as host, path or option. It also
 * drops line breaks. Undefined for URLs without a user or without a host (`sqlite:///…`).
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

/** The position of the `@` that ends user and password, not of one in the value of an option. */
function lastAt(rest: string): number {
  const at = rest.lastIndexOf('@');
  const question = rest.indexOf('?');
  if (question < 0 || question > at || !/^[\w.-]+=/.test(rest.slice(question + 1))) return at;
  const before = rest.slice(0, question);
  // After a host the question mark begins the options. After `user:12`, or after
  // `user:password@host` without a path in an option, it may belong to the password.
  if (!before.includes('@')) return before.includes(':') ? at : -1;
  return /[?&][\w.-]{2,}=(?:\/|https?:)[^&]*$/.test(rest.slice(0, at)) ? before.lastIndexOf('@') : at;
}

/** The position of a `%` that does not begin an encoded character of UTF-8, or -1. */
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

/** What is wrong with the URL and what to write instead. The secret is not shown. */
export function explainRaw({ part, character, escaped }: RawCharacter, { url, takes, instead }: Userinfo): string {
  const holds = `the ${part} of the ${url} contains the character ${quote(character)}`;
  if (part === 'path') return `${holds}: write ${escaped} instead`;
  const behind = character === '%' ? '' : '. If the @ comes after the host, write %40 for it';
  if (!takes.includes(part)) return `${holds}, and this URL cannot have a ${part}${instead ? `: give it ${instead}` : ''}${behind}`;
  return `${holds}, which ends the ${part}: write ${escaped} instead${instead && part === 'password' ? `, or give the password ${instead}` : ''}${behind}`;
}
