import { timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { hashOf } from '@blockhub/chain';
import { isSecretName } from '@blockhub/redact';
import type { CaptureReceipt } from '../capture/receipt.ts';
import { quote } from '../quote.ts';

/** What a response may look at. */
export interface FieldValues {
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** The body as JSON; undefined where it is none, or too large. */
  readonly doc: () => unknown;
  /** Undefined where nothing was captured. */
  readonly receipt: CaptureReceipt | undefined;
}

/** A field of a request or receipt, such as `doc.challenge` or `query.hub.mode`. */
export interface Field {
  readonly source: 'query' | 'doc' | 'header' | 'receipt';
  /** What stands behind the first dot. */
  readonly name: string;
}

/** Secrets that go back to their sender: it is Asana's handshake. */
const OPEN = new Set(['x-hook-secret']);
const RECEIPT = new Set(['event', 'chain', 'hash', 'crypt', 'length', 'receivedAt']);
const FORM = /^(query|doc|header|receipt)\.([^\s{}"\\]+)$/;

export const fieldForms = 'query.NAME, doc.PATH, header.NAME or receipt.FIELD';

/** A field, or what is wrong with its name. */
export function parseField(text: string): Field | string {
  const form = FORM.exec(text);
  if (!form) return `${quote(text)} is not a field; expected ${fieldForms}`;
  const source = form[1] as Field['source'];
  const name = form[2] ?? '';
  if (source === 'receipt' && !RECEIPT.has(name)) return `a receipt has no field ${quote(name)}; expected ${[...RECEIPT].join(', ')}`;
  return { source, name: source === 'header' ? name.toLowerCase() : name };
}

/** Whether the field is a header whose value must not be sent back. */
export const isSecretField = ({ source, name }: Field): boolean => source === 'header' && isSecretName(name) && !OPEN.has(name);

/** Undefined where the request lacks it. Of a parameter that is there twice, the first one. */
export function readField({ source, name }: Field, { query, headers, doc, receipt }: FieldValues): unknown {
  switch (source) {
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

/** Own members only: `constructor` and the like are no fields of a document. */
function member(from: unknown, path: readonly string[]): unknown {
  let value = from;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

/** Text, number or boolean as text; undefined for everything else. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

/** A condition may hold a secret, such as a verify token: its text is compared in a time that does not depend on how much of it is right. */
export function isText(value: unknown, expected: readonly Buffer[]): boolean {
  const text = textOf(value);
  if (text === undefined) return false;
  const hash = digestOf(text);
  let found = false;
  for (const one of expected) if (timingSafeEqual(one, hash)) found = true;
  return found;
}

export const digestOf = (text: string): Buffer => Buffer.from(hashOf('sha256', Buffer.from(text)), 'hex');
