import { BlockhubError, quote } from '@blockhub/errors';
import type { Message } from './message.ts';
import { partition } from './partition.ts';

interface TemplateParams {
  /** Number of partitions. */
  readonly partitions?: number;
}

/** A compiled template. Rendering throws TEMPLATE_FIELD_MISSING if the message lacks a field. */
export interface Template {
  readonly text: string;
  /** The fields in it, each once, such as `msg.meta.chain`. */
  readonly fields: readonly string[];
  /** A queue name: 1 to 255 bytes, no control characters, not `amq.…`. Throws TEMPLATE_INVALID. */
  queue(message: TemplateMessage, params?: TemplateParams): string;
  /** A key ≤ 1,024 bytes: no part is empty, . or ..; no control characters. TEMPLATE_INVALID */
  key(message: TemplateMessage, params?: TemplateParams): string;
  /** The text without checks, for example the key of a group. */
  value(message: TemplateMessage, params?: TemplateParams): string;
}

type TemplateMessage = Pick<Message, 'meta' | 'doc'>;

type Piece = string | ((message: TemplateMessage, params: TemplateParams) => string);

const MAX_TEMPLATE_LENGTH = 4096;
const MAX_QUEUE_BYTES = 255;
const MAX_KEY_BYTES = 1024;
// biome-ignore lint/suspicious/noControlCharactersInRegex: it finds control characters.
const control = /[\u0000-\u001f\u007f-\u009f]/;
const emptyOrDots = /(?:^|\/)(?:\.{0,2})(?:\/|$)/;
const fieldForm = /^msg\.(?:meta\.([\w.-]+)|doc\.([\w-]+(?:\.[\w-]+)*))$/;
const partitionForm = /^partition\(\s*([^()\s]+)\s*\)$/;
const noParams: TemplateParams = {};

/**
 * Compiles, for example, `{msg.meta.chain}_chain` or `blobs.grouped.{partition(msg.meta.chain)}`.
 * The value of a field is put in unchanged, not read as a template. Throws TEMPLATE_INVALID.
 */
export function template(text: string): Template {
  const fields = new Set<string>();
  const pieces = parseTemplate(text, fields);
  const render = renderer(pieces);
  return {
    text,
    fields: [...fields],
    queue: (message, params = noParams) => checkQueue(render(message, params), text),
    key: (message, params = noParams) => checkKey(render(message, params), text),
    value: (message, params = noParams) => render(message, params),
  };
}

function renderer(pieces: readonly Piece[]): (message: TemplateMessage, params: TemplateParams) => string {
  const [only] = pieces;
  if (pieces.length === 1 && typeof only === 'function') return only;
  return (message, params) => {
    let result = '';
    for (const piece of pieces) result += typeof piece === 'string' ? piece : piece(message, params);
    return result;
  };
}

function parseTemplate(text: string, fields: Set<string>): Piece[] {
  if (text.length > MAX_TEMPLATE_LENGTH) throw bad(`is longer than ${MAX_TEMPLATE_LENGTH} characters`, text);
  const pieces: Piece[] = [];
  for (const [at, part] of text.split('{').entries()) {
    const close = part.indexOf('}');
    if (at > 0 && close < 0) throw bad('has a { without }', text);
    if (at > 0) pieces.push(parseField(part.slice(0, close).trim(), text, fields));
    const literal = at > 0 ? part.slice(close + 1) : part;
    if (literal.includes('}')) throw bad('has a } without {', text);
    if (literal !== '') pieces.push(literal);
  }
  return pieces;
}

function parseField(expression: string, text: string, fields: Set<string>): Piece {
  const inner = partitionForm.exec(expression)?.[1];
  const name = inner ?? expression;
  const form = fieldForm.exec(name);
  if (!form) throw bad(`has {${expression}}: expected {msg.meta.<name>}, {msg.doc.<path>} or {partition(<field>)}`, text);
  fields.add(name);
  const [, metaName, docPath] = form;
  const read = metaName === undefined ? docReader((docPath ?? '').split('.'), name) : metaReader(metaName, name);
  if (inner === undefined) return read;
  return (message, params) => String(partition(read(message), partitionsOf(params, text)));
}

function partitionsOf(params: TemplateParams, text: string): number {
  if (params.partitions === undefined) throw bad('uses partition(…), but this service has no number of partitions', text);
  return params.partitions;
}

const metaReader =
  (name: string, field: string) =>
  ({ meta }: TemplateMessage): string =>
    scalar(Object.hasOwn(meta, name) ? meta[name] : undefined, field);

const docReader =
  (path: readonly string[], field: string) =>
  (message: TemplateMessage): string => {
    let value = message.doc();
    for (const name of path) {
      // Own properties only: names such as `constructor` are not fields of a message.
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) throw missing(field);
      value = (value as Record<string, unknown>)[name];
    }
    return scalar(value, field);
  };

function scalar(value: unknown, field: string): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) return String(value);
  throw missing(field);
}

const missing = (field: string): BlockhubError =>
  new BlockhubError('TEMPLATE_FIELD_MISSING', `the message has no text, number or boolean at ${field}`, {
    details: { field, path: field },
  });

/** Templates and results may come from outside, so an error quotes only their beginning. */
const bad = (what: string, text: string): BlockhubError =>
  new BlockhubError('TEMPLATE_INVALID', `the template ${quote(text, 200)} ${what}`, {
    details: { template: text.slice(0, 200) },
  });

const tooLong = (text: string, bytes: number): boolean =>
  text.length > bytes || (text.length * 3 > bytes && Buffer.byteLength(text) > bytes);

function checkQueue(name: string, text: string): string {
  if (name === '') throw bad('gives an empty queue name', text);
  if (tooLong(name, MAX_QUEUE_BYTES)) throw bad(`gives a queue name over ${MAX_QUEUE_BYTES} bytes`, text);
  if (name.startsWith('amq.')) throw bad('gives a queue name that begins with amq., which is reserved for brokers', text);
  if (control.test(name) || !name.isWellFormed()) throw bad('gives a queue name with control characters', text);
  return name;
}

function checkKey(key: string, text: string): string {
  if (tooLong(key, MAX_KEY_BYTES)) throw bad(`gives an object key over ${MAX_KEY_BYTES} bytes`, text);
  if (emptyOrDots.test(key)) throw bad('gives an object key with an empty part, . or ..', text);
  if (control.test(key) || key.includes('\\') || !key.isWellFormed()) throw bad('gives an object key with \\ or control characters', text);
  return key;
}
