import { quote } from './units.ts';

/** What stands where a secret would. */
export const hidden = '[hidden]';

/** Values of options whose name says that they are secret. Paths of files with secrets are none. */
const secretOption =
  /([?&#][\w.-]{0,40}(?:secret|passw|pwd|token|credential|signature|api-?key|access-?key)[\w.-]{0,40}=)(?!%2f|\/)[^&#\s"]+/gi;

/**
 * A value that is a URL, or was meant to be one, without user and password. Whatever stands before the last `@` is taken for these: characters that
 * end a part of a URL may stand in a password by mistake. Paths, and URLs with a path only, are shown as they are.
 */
export function hideUrl(url: string): string {
  const shown = url.replace(secretOption, `$1${hidden}`);
  const [start = ''] = /^\s*(?:[a-z][a-z0-9+.-]*:(?:\/\/)?)?/i.exec(shown) ?? [];
  const rest = shown.slice(start.length);
  const at = rest.lastIndexOf('@');
  if (at < 0 || /^(?:\/|\.{1,2}\/)/.test(rest)) return shown;
  // `user:password@host` without a scheme looks as if the user were one.
  const scheme = start.endsWith('//') || /^(?:amqps?|rediss?|https?|s3|sqlite|file|memory):$/i.test(start.trim()) ? start : '';
  return `${scheme}${hidden}${rest.slice(at)}`;
}

/** User and password of any URL in a text made unreadable, and secret options. Each word is judged by itself, as by `hideUrl`. */
export function hideUserinfo(text: string): string {
  const shown = text.includes('=') ? text.replace(secretOption, `$1${hidden}`) : text;
  return shown.includes('@') ? shown.replace(/\S+/g, hideWord) : shown;
}

function hideWord(word: string): string {
  const at = word.lastIndexOf('@');
  if (at < 0) return word;
  const before = word.slice(0, at);
  // Three slashes begin a path.
  const slashes = before.search(/(?<!\/)\/\/(?!\/)/);
  if (slashes >= 0) return `${word.slice(0, slashes + 2)}${hidden}${word.slice(at)}`;
  const looksLikeUser = before.includes(':') && !before.includes('/');
  return looksLikeUser ? `${hidden}${word.slice(at)}` : word;
}

/** `quote` for a value that may be a URL. */
export const quoteOpen = (text: string): string => quote(hideUrl(text));
