import { timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { hashOf } from '@blockhub/chain';
import { quote } from '@blockhub/errors';
import { isSecretName } from '@blockhub/redact';
import type { CaptureReceipt } from '../capture/receipt.ts';

/** Where the fields of a response are read from. */
export interface FieldValues {
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** The body as JSON. Undefined if it is not JSON, or too large. */
  readonly doc: () => unknown;
  /** Undefined if nothing was captured. */
  readonly receipt: CaptureReceipt | undefined;
}

/** A field of a request or receipt, such as `doc.challenge` or `query.hub.mode`. */
export interface Field {
  readonly part: 'query' | 'doc' | 'header' | 'receipt';
  /** The text after the first dot. */
  readonly name: string;
}

/** Secrets that are sent back, because Asana's handshake needs it. */
const OPEN = new Set(['x-hook-secret']);
const RECEIPT = new Set(['event', 'chain', 'hash', 'crypt', 'length', 'receivedAt']);
const FORM = /^(query|doc|header|receipt)\.([^\s{}"\\]+)$/;

export const fieldForms = 'query.NAME, doc.PATH, header.NAME or receipt.FIELD';

/** A field, or what is wrong with its name. */
export function parseField(text: string): Field | string {
  const form = FORM.exec(text);
  if (!form) return `${quote(text)} is not a field; expected ${fieldForms}`;
  const part = form[1] as Field['part'];
  const name = form[2] ?? '';
  if (part === 'receipt' && !RECEIPT.has(name)) return `a receipt has no field ${quote(name)}; expected ${[...RECEIPT].join(', ')}`;
  return { part, name: part === 'header' ? name.toLowerCase() : name };
}

/** True for a header whose value must not be sent back. */
export const isSecretField = ({ part, name }: Field): boolean => part === 'header' && isSecretName(name) && !OPEN.has(name);

/** The value of a field, or undefined. If a parameter is repeated, the first one counts. */
export function readField({ part, name }: Field, { query, headers, doc, receipt }: FieldValues): unknown {
  switch (part) {
    case 'query':
      return query.get(name) ?? undefined;
    case 'header':
      return Object.hasOwn(headers, name) ? headers[name]?.toString() : undefined;
    case 'receipt':
      return receipt?.[name as keyof CaptureReceipt];
    default:
      return member(doc(), name.split('.'));
  }
}

/** Own members only: `constructor` is not a field of a document. */
function member(from: unknown, path: readonly string[]): unknown {
  let value = from;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

/** Text, number or boolean as text. Undefined for any other value. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

/** Compares in constant time, because a condition may hold a secret such as a verify token. */
export function isText(value: unknown, expected: readonly Buffer[]): boolean {
  const text = textOf(value);
  if (text === undefined) return false;
  const hash = digestOf(text);
  let found = false;
  for (const one of expected) if (timingSafeEqual(one, hash)) found = true;
  return found;
}

export const digestOf = (text: string): Buffer => Buffer.from(hashOf('sha256', Buffer.from(text)), 'hex');
