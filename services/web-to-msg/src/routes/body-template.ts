import { type Field, type FieldValues, fieldForms, isSecretField, parseField, readField, textOf } from './fields.ts';

/** How a value is escaped, so that it cannot change the structure of the text. */
export type Escaping = 'json' | 'xml' | 'text' | 'header';

/** A text with fields in it, parsed once. */
export interface AnswerTemplate {
  readonly fields: readonly Field[];
  /** Undefined if a field is missing, or its value cannot be written there. */
  render(values: FieldValues): string | undefined;
}

type Piece = string | ((values: FieldValues) => string | undefined);

const MAX_TEMPLATE = 64 * 1024;
const MAX_FIELDS = 100;
/** Maximum length of a value from the request, in characters. */
const MAX_VALUE = { json: 4096, xml: 4096, text: 4096, header: 1024 } as const;
/** `{doc.challenge}`. Other braces are kept. */
const PLACEHOLDER = /\{\s*([A-Za-z]\w*(?:\.[^\s{}"\\]+)?)\s*\}/g;
const PRINTABLE = /^[\t\x20-\x7e]*$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: XML 1.0 cannot have them, escaped or not.
const NOT_XML = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/;
const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** @param mistake called for each mistake in the text */
export function compile(text: string, escaping: Escaping, mistake: (what: string) => void): AnswerTemplate {
  const fields: Field[] = [];
  const pieces: Piece[] = [];
  if (text.length > MAX_TEMPLATE) mistake(`is longer than ${MAX_TEMPLATE} characters`);
  let from = 0;
  let inString = false;
  let sample = '';
  const literal = (part: string): void => {
    if (escaping === 'json') inString = endsInString(part, inString);
    pieces.push(part);
    sample += part;
  };
  for (const found of text.slice(0, MAX_TEMPLATE).matchAll(PLACEHOLDER)) {
    literal(text.slice(from, found.index));
    from = found.index + found[0].length;
    const field = parseField(found[1] ?? '');
    if (typeof field === 'string') {
      mistake(`has ${found[0].slice(0, 100)}: ${field}`);
      continue;
    }
    if (isSecretField(field)) mistake(`has ${found[0]}: this header is a secret, which is never sent back`);
    fields.push(field);
    pieces.push(writer(field, escaping, inString));
    sample += inString ? 'x' : '0';
  }
  literal(text.slice(from));
  if (fields.length > MAX_FIELDS) mistake(`has ${fields.length} fields; expected at most ${MAX_FIELDS}`);
  if (escaping === 'json' && text !== '' && !isJson(sample))
    mistake(`is not JSON, but its content type is; a field is written as {${fieldForms.split(', ')[0]}}`);
  return { fields, render: (values) => render(pieces, values) };
}

function render(pieces: readonly Piece[], values: FieldValues): string | undefined {
  let result = '';
  for (const piece of pieces) {
    const part = typeof piece === 'string' ? piece : piece(values);
    if (part === undefined) return undefined;
    result += part;
  }
  return result;
}

/** Outside of a JSON string a value is written as JSON, so objects can be sent back. */
function writer(field: Field, escaping: Escaping, inString: boolean): Piece {
  const most = MAX_VALUE[escaping];
  return (values) => {
    const value = readField(field, values);
    if (escaping === 'json' && !inString) return value === undefined ? undefined : bounded(JSON.stringify(value), most);
    const text = textOf(value);
    return text === undefined || text.length > most ? undefined : escaped(text, escaping);
  };
}

const bounded = (text: string, most: number): string | undefined => (text.length <= most ? text : undefined);

function escaped(text: string, escaping: Escaping): string | undefined {
  if (escaping === 'json') return JSON.stringify(text).slice(1, -1);
  if (escaping === 'header') return PRINTABLE.test(text) ? text : undefined;
  if (escaping === 'xml') return NOT_XML.test(text) ? undefined : text.replace(/[&<>"']/g, (character) => entities[character] ?? '');
  return text;
}

function endsInString(part: string, begins: boolean): boolean {
  let inString = begins;
  for (let at = 0; at < part.length; at++) {
    if (inString && part[at] === '\\') at++;
    else if (part[at] === '"') inString = !inString;
  }
  return inString;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
