import { BlockhubError } from '@blockhub/errors';
import { Redactor } from '@blockhub/redact';

const hidden = '[hidden]';
const lines = new Redactor({ marker: hidden, lines: true });
const secretKey =
  /authorization|cookie|token|secret|passw|credential|signature|csrf|xsrf|jwt|api-?_?key|(?:private|access|subscription|functions|account|shared)-?_?key/i;

/** Bounds of one line: how deep, how many members of one object, how long a text. */
const maxDepth = 6;
const maxMembers = 100;
const maxText = 8192;

const words = /\S+/g;
/** A text of JSON ends at a quotation mark that is not escaped. */
const wordsOfJson = /(?:\\.|[^\s"\\])+/g;

/**
 * User and password of URLs, their secret parameters, and what is a token or a key by its form, in any text made unreadable. The names and
 * forms are those of request documents.
 */
export const hideText = (text: string): string => hideIn(text, words);

/** `hideText` for a line of JSON, which stays one. */
export const hideLine = (line: string): string => hideIn(line, wordsOfJson);

const hideIn = (text: string, each: RegExp): string => lines.text(text.includes('@') ? text.replace(each, hideUserinfo) : text);

/** Up to the last `@` of a word: what ends a host, such as a slash, stands in passwords by mistake. Three slashes begin a path. */
function hideUserinfo(word: string): string {
  const at = word.lastIndexOf('@');
  const slashes = at < 0 ? -1 : word.slice(0, at).search(/:\/\/(?!\/)/);
  return slashes < 0 ? word : `${word.slice(0, slashes + 3)}${hidden}${word.slice(at)}`;
}

/** A copy to be logged: secret keys hidden, errors as plain objects, texts cut, bytes only counted. */
export function hideValue(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return value.length > maxText ? `${value.slice(0, maxText)}… (${value.length} characters)` : value;
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array) return `[${value.length} bytes]`;
  if (depth >= maxDepth) return Array.isArray(value) ? '[array]' : '[object]';
  if (value instanceof Error) return hideError(value, depth);
  if (Array.isArray(value)) {
    const items = value.slice(0, maxMembers).map((item) => hideValue(item, depth + 1));
    return value.length > maxMembers ? [...items, `… (${value.length} items)`] : items;
  }
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === 'function') return hideValue(toJSON.call(value), depth + 1);
  return hideMembers(value instanceof Map ? Object.fromEntries(value) : value, depth);
}

function hideMembers(value: object, depth: number): Record<string, unknown> {
  const shown: Record<string, unknown> = {};
  let left = maxMembers;
  for (const [key, member] of Object.entries(value)) {
    if (left-- === 0) {
      shown['…'] = `${Object.keys(value).length} members`;
      break;
    }
    // Numbers and booleans say whether a secret is there or how long, never what it is.
    const open = !secretKey.test(key) || typeof member === 'number' || typeof member === 'boolean' || member == null;
    shown[key] = open ? hideValue(member, depth + 1) : hidden;
  }
  return shown;
}

/** Only what is known to be an error's own: libraries hang whole requests, headers included, on theirs. */
function hideError(error: Error, depth: number): Record<string, unknown> {
  const { code, syscall } = error as { code?: unknown; syscall?: unknown };
  return {
    type: error.name,
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    ...(typeof syscall === 'string' ? { syscall } : {}),
    message: hideValue(error.message),
    ...(error instanceof BlockhubError && Object.keys(error.details).length > 0 ? { details: hideValue(error.details, depth + 1) } : {}),
    stack: hideValue(error.stack),
    ...(error.cause === undefined ? {} : { cause: hideValue(error.cause, depth + 1) }),
    ...(error instanceof AggregateError ? { errors: hideValue(error.errors, depth + 1) } : {}),
  };
}
