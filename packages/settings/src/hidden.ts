import { quote } from '@blockhub/errors';

/** Replaces a secret in texts. */
export const hidden = '[hidden]';

/** Paths are not hidden: they name files with secrets. */
const secretOption =
  /([?&#][\w.-]{0,40}(?:secret|passw|pwd|token|credential|signature|api-?key|access-?key)[\w.-]{0,40}=)(?!%2f|\/)[^&#\s"]+/gi;

/**
 * A value that is a URL, or was meant to be one, without user and password. Everything before the
 * last `@` is hidden, because a password may contain characters that end a part of a URL. Paths,
 * and URLs with only a path, are shown as they are.
 */
export function hideUrl(url: string): string {
  const shown = url.replace(secretOption, `$1${hidden}`);
  const [start = ''] = /^\s*(?:[a-z][a-z0-9+.-]*:(?:\/\/)?)?/i.exec(shown) ?? [];
  const rest = shown.slice(start.length);
  const at = rest.lastIndexOf('@');
  if (at < 0 || /^(?:\/|\.{1,2}\/)/.test(rest)) return shown;
  // In `user:password@host` the user looks like a scheme.
  const scheme = start.endsWith('//') || /^(?:amqps?|rediss?|https?|s3|sqlite|file|memory):$/i.test(start.trim()) ? start : '';
  return `${scheme}${hidden}${rest.slice(at)}`;
}

/** Hides user, password and secret options of every URL. Words are separated by blanks. */
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

/** `quote` for a value that may be a URL with a password. */
export const quoteOpen = (text: string): string => quote(hideUrl(text));
