import { BlockhubError } from '@blockhub/errors';
import { Redactor } from '@blockhub/redact';

const hidden = '[hidden]';
const lines = new Redactor({ marker: hidden, lines: true });
const secretKey =
  /authorization|cookie|token|secret|passw|credential|signature|csrf|xsrf|jwt|api-?_?key|(?:private|access|subscription|functions|account|shared)-?_?key/i;

/** Limits of a line: depth of objects, members of an object, characters of a text. */
const maxDepth = 6;
const maxMembers = 100;
const maxText = 8192;

const words = /\S+/g;
/** In JSON a text ends at a quotation mark that is not escaped. */
const wordsOfJson = /(?:\\.|[^\s"\\])+/g;

/** Hides logins of URLs, secret parameters, tokens and keys, by the rules of request documents. */
export const hideText = (text: string): string => hideIn(text, words);

/** `hideText` for a line of JSON. The result is JSON too. */
export const hideLine = (line: string): string => hideIn(line, wordsOfJson);

const hideIn = (text: string, each: RegExp): string => lines.text(text.includes('@') ? text.replace(each, hideUserinfo) : text);

/** Up to the last `@`, because a password may contain a slash. Three slashes begin a path. */
function hideUserinfo(word: string): string {
  const at = word.lastIndexOf('@');
  const slashes = at < 0 ? -1 : word.slice(0, at).search(/:\/\/(?!\/)/);
  return slashes < 0 ? word : `${word.slice(0, slashes + 3)}${hidden}${word.slice(at)}`;
}

/** For the log: values of secret keys hidden, errors as objects, long texts cut, bytes counted. */
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
    // A number or boolean may describe a secret, but it is never the secret.
    const open = !secretKey.test(key) || typeof member === 'number' || typeof member === 'boolean' || member == null;
    shown[key] = open ? hideValue(member, depth + 1) : hidden;
  }
  return shown;
}

/** Copies known fields only, because libraries add whole requests with headers to their errors. */
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
