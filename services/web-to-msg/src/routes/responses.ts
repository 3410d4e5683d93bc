import { quote } from '@blockhub/errors';
import { type AnswerTemplate, compile, type Escaping } from './body-template.ts';
import { digestOf, type Field, type FieldValues, isText, parseField, readField, textOf } from './fields.ts';

/** A response that is sent in place of the receipt. */
export interface Rendered {
  /** If it is undefined, the status is that of the receipt, or 200 if nothing was captured. */
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface CustomResponse {
  readonly methods: ReadonlySet<string>;
  /** Undefined if the response does not fit: another method, a false condition, a missing field. */
  render(method: string, values: FieldValues): Rendered | undefined;
}

/** Called for a mistake in a field of a route, such as `responses[0].status`. */
export type Note = (field: string, what: string) => void;

const FIELDS = new Set(['method', 'when', 'status', 'headers', 'body']);
export const BODY_METHODS = ['POST', 'PUT', 'PATCH', 'DELETE'] as const;
/** Headers that steer a browser. */
const STEERING =
  /^(?:location|content-location|refresh|link|set-cookie2?|clear-site-data|content-security-policy.*|www-authenticate|alt-svc|sourcemap)$/;
const METHODS = new Set<string>([...BODY_METHODS, 'GET', 'HEAD']);
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/;
/** Headers of the connection, and headers that other settings set. */
const OURS =
  /^(?:connection|content-length|transfer-encoding|content-encoding|keep-alive|upgrade|te|trailer|date|allow|expect|x-content-type-options|proxy-.*|vary|access-control-.*|webhook-.*)$/i;
const MAX_HEADERS = 20;

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** @param captured methods of which the route captures requests */
export function parseResponse(given: unknown, at: string, captured: readonly string[], note: Note): CustomResponse | undefined {
  if (!isObject(given)) {
    note(at, `expected an object, got ${quote(given)}`);
    return undefined;
  }
  for (const field of Object.keys(given)) if (!FIELDS.has(field)) note(`${at}.${field}`, `is unknown; expected ${[...FIELDS].join(', ')}`);
  const methods = parseMethods(given.method, `${at}.method`, captured, note);
  const status = parseStatus(given.status, `${at}.status`, methods, captured, note);
  const conditions = parseWhen(given.when, `${at}.when`, note);
  const { type, headers } = parseHeaders(given, at, note);
  const body = parseBody(given.body, `${at}.body`, { type, status }, note);
  const fields = [...body.fields, ...headers.flatMap(([, template]) => template.fields)];
  const captures = [...methods].every((method) => captured.includes(method));
  if (!captures && fields.some(({ part }) => part === 'receipt'))
    note(at, 'has a field of the receipt, but only captured requests have a receipt');
  return {
    methods,
    render(method, values) {
      if (!methods.has(method) || !conditions.every(({ field, expected }) => isText(readField(field, values), expected))) return undefined;
      const text = body.render(values);
      if (text === undefined) return undefined;
      const answered: Record<string, string> = { 'content-type': type };
      for (const [name, template] of headers) {
        const value = template.render(values);
        if (value === undefined) return undefined;
        answered[name] = value;
      }
      return { status, headers: answered, body: text };
    },
  };
}

function parseMethods(given: unknown, at: string, captured: readonly string[], note: Note): Set<string> {
  const methods = given === undefined ? [...captured] : [given].flat();
  const wrong = methods.find((method) => typeof method !== 'string' || !METHODS.has(method));
  if (wrong !== undefined || methods.length === 0)
    note(at, `is ${quote(wrong ?? given)}; expected one or more of ${[...METHODS].join(', ')}`);
  return new Set(methods as string[]);
}

function parseStatus(
  given: unknown,
  at: string,
  methods: ReadonlySet<string>,
  captured: readonly string[],
  note: Note,
): number | undefined {
  if (given === undefined) return undefined;
  const most = captured.some((method) => methods.has(method)) ? 299 : 599;
  const isStatus = typeof given === 'number' && Number.isInteger(given) && given >= 200 && given <= most;
  if (isStatus) return given;
  const why = most === 299 ? '. The event is durable then; with another status its sender would send it again' : '';
  note(at, `is ${quote(given)}; expected a number from 200 to ${most}${why}`);
  return undefined;
}

interface Condition {
  readonly field: Field;
  /** Hashes of the values that it may have. */
  readonly expected: readonly Buffer[];
}

function parseWhen(given: unknown, at: string, note: Note): Condition[] {
  if (given === undefined) return [];
  if (!isObject(given)) {
    note(at, `expected an object such as {"doc.type": "url_verification"}, got ${Array.isArray(given) ? 'a list' : typeof given}`);
    return [];
  }
  return Object.entries(given).flatMap(([name, value]) => {
    const field = parseField(name);
    const texts = [value].flat().map(textOf);
    if (typeof field === 'string') note(at, field);
    else if (field.part === 'receipt') note(`${at}.${name}`, 'a condition cannot use the receipt, which does not exist yet');
    else if (texts.length === 0 || texts.includes(undefined))
      note(`${at}.${name}`, 'expected text, a number, true or false, or a list of them');
    else return [{ field, expected: texts.map((text) => digestOf(text ?? '')) }];
    return [];
  });
}

function parseHeaders(given: Record<string, unknown>, at: string, note: Note): { type: string; headers: [string, AnswerTemplate][] } {
  const headers: [string, AnswerTemplate][] = [];
  let type = typeof given.body === 'object' && given.body !== null ? 'application/json' : 'text/plain; charset=utf-8';
  if (given.headers !== undefined && !isObject(given.headers)) note(`${at}.headers`, `expected an object, got ${quote(given.headers)}`);
  const entries = Object.entries(isObject(given.headers) ? given.headers : {});
  if (entries.length > MAX_HEADERS) note(`${at}.headers`, `has ${entries.length} headers; expected at most ${MAX_HEADERS}`);
  const seen = new Set<string>();
  for (const [name, value] of entries) {
    const field = `${at}.headers.${name.slice(0, 100)}`;
    const lower = name.toLowerCase();
    if (!TOKEN.test(name)) note(field, 'is not the name of a header');
    else if (OURS.test(name)) note(field, 'cannot be set here, because the server sets it');
    else if (seen.has(lower)) note(field, 'is there twice');
    else if (typeof value !== 'string' || !/^[\t\x20-\x7e]{0,2000}$/.test(value))
      note(field, 'expected text of printable ASCII characters');
    else if (lower === 'content-type') type = parseType(value, field, note) ?? type;
    else headers.push([lower, parseHeader(lower, value, (what) => note(field, what))]);
    seen.add(lower);
  }
  return { type, headers };
}

function parseHeader(name: string, value: string, mistake: (what: string) => void): AnswerTemplate {
  const template = compile(value, 'header', mistake);
  if (STEERING.test(name) && template.fields.some(({ part }) => part !== 'receipt'))
    mistake('cannot have fields of the request: its sender would control where a browser goes or which cookies it stores');
  return template;
}

function parseType(value: string, field: string, note: Note): string | undefined {
  if (/^[!#$%&'*+.^_`|~0-9a-z-]+\/[!#$%&'*+.^_`|~0-9a-z-]+(?:\s*;[^{}]*)?$/i.test(value)) return value;
  note(field, `${quote(value)} is not a content type; expected one such as application/json`);
  return undefined;
}

/** No fields in HTML and scripts: a value of the request cannot be escaped safely there. */
function escapingOf(type: string): Escaping | undefined {
  const mime = type.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (mime === 'text/plain') return 'text';
  if (mime === 'application/json' || mime.endsWith('+json')) return 'json';
  return mime === 'text/xml' || mime === 'application/xml' ? 'xml' : undefined;
}

function parseBody(given: unknown, at: string, { type, status }: { type: string; status: number | undefined }, note: Note): AnswerTemplate {
  const isText = given === undefined || typeof given === 'string';
  if (!isText && (typeof given !== 'object' || given === null)) note(at, `expected text or a JSON object, got ${quote(given)}`);
  const text = isText ? (given ?? '') : JSON.stringify(given);
  if (text !== '' && (status === 204 || status === 205 || status === 304)) note(at, `must be empty with the status ${status}`);
  const escaping = escapingOf(type);
  const body = compile(text, escaping ?? 'text', (what) => note(at, what));
  if (!escaping && body.fields.length > 0)
    note(at, `has fields, which ${type.slice(0, 100)} cannot have; expected text/plain, JSON or XML as content type`);
  return body;
}
