import { readFileSync, statSync } from 'node:fs';
import { errorCode, quote } from '@blockhub/errors';
import { hasDots, normalizePath } from './path.ts';
import { repeatedKey } from './repeated-key.ts';
import { BODY_METHODS, type CustomResponse, isObject, type Note, parseResponse } from './responses.ts';

export interface TableRoute {
  /** As it is in the table. */
  readonly path: string;
  /** The path in its normal form. A prefix has no `*` here. */
  readonly normal: string;
  readonly isPrefix: boolean;
  /** Id or name. */
  readonly chain: string;
  /** Methods whose requests are captured. */
  readonly methods: readonly string[];
  /** As they are in the table, by the names of settings. */
  readonly rules: Readonly<Record<string, unknown>>;
  readonly responses: readonly CustomResponse[];
  /** The route in messages: `route 2 (/hooks/slack)`. */
  readonly label: string;
}

const FIELDS = new Set(['path', 'chain', 'methods', 'rules', 'responses']);
const MAX_BYTES = 1024 * 1024;
const MAX_ROUTES = 1000;
const MAX_RESPONSES = 50;
const MAX_PATH = 1000;

/** Reads JSON that begins with `[`, or a JSON file. `mistake` is called for each mistake. */
export function readTable(given: string, mistake: (what: string) => void): TableRoute[] {
  const text = given.trimStart().startsWith('[') ? given : readFile(given, mistake);
  const list = text === undefined ? [] : parseJson(text, mistake);
  if (list.length > MAX_ROUTES) mistake(`has ${list.length} routes; expected at most ${MAX_ROUTES}`);
  const routes = list.slice(0, MAX_ROUTES).flatMap((route, at) => parseRoute(route, at, mistake) ?? []);
  const first = new Map<string, TableRoute>();
  for (const route of routes) {
    const key = `${route.normal}${route.isPrefix ? '*' : ''}`;
    const other = first.get(key);
    if (other) mistake(`${route.label}: path: ${other.label} has the same path`);
    else first.set(key, route);
  }
  return routes;
}

function readFile(path: string, mistake: (what: string) => void): string | undefined {
  try {
    const { size } = statSync(path);
    if (size > MAX_BYTES) mistake(`the file ${quote(path)} has ${size} bytes; expected at most ${MAX_BYTES}`);
    else return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path));
  } catch (error) {
    const code = errorCode(error);
    const why = code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'is not UTF-8' : `cannot be read (${code})`;
    mistake(`the file ${quote(path)} ${why}; expected a JSON file, or JSON that begins with [`);
  }
  return undefined;
}

/** The message of V8 may quote a token in the text, so only the place is shown. */
function parseJson(text: string, mistake: (what: string) => void): unknown[] {
  try {
    const list: unknown = JSON.parse(text);
    const repeated = repeatedKey(text);
    if (repeated !== undefined) mistake(`has the field ${quote(repeated)} twice in one object`);
    else if (!Array.isArray(list)) mistake('expected a list of routes in [ ]');
    else if (list.length === 0) mistake('has no routes; if no table is needed, do not set it');
    else return list;
  } catch (error) {
    const place = /\(line \d+ column \d+\)/.exec((error as Error).message)?.[0];
    mistake(`is not valid JSON${place === undefined ? '' : ` ${place}`}`);
  }
  return [];
}

function parseRoute(given: unknown, at: number, mistake: (what: string) => void): TableRoute | undefined {
  const path = isObject(given) && typeof given.path === 'string' ? given.path : undefined;
  const label = `route ${at + 1}${path === undefined ? '' : ` (${quote(path).slice(1, -1)})`}`;
  const note: Note = (field, what) => mistake(`${label}: ${field}: ${what}`);
  if (!isObject(given)) {
    mistake(`${label}: expected an object such as {"path": "/hooks/slack", "chain": "slack"}`);
    return undefined;
  }
  for (const field of Object.keys(given)) if (!FIELDS.has(field)) note(field, `is unknown; expected ${[...FIELDS].join(', ')}`);
  const { chain, rules, responses } = given;
  const parsed = parsePath(path, note);
  if (typeof chain !== 'string' || chain.trim() === '' || chain.length > 128)
    note('chain', chain === undefined ? 'is missing; expected the id or name of a chain' : 'expected the id or name of a chain');
  const methods = parseMethods(given.methods, note);
  if (rules !== undefined && !isObject(rules)) note('rules', 'expected an object such as {"allowIps": ["192.0.2.0/24"]}');
  if (responses !== undefined && !Array.isArray(responses)) note('responses', 'expected a list in [ ]');
  const list = Array.isArray(responses) ? responses : [];
  if (list.length > MAX_RESPONSES) note('responses', `has ${list.length} responses; expected at most ${MAX_RESPONSES}`);
  const custom = list.slice(0, MAX_RESPONSES).flatMap((one, place) => parseResponse(one, `responses[${place}]`, methods, note) ?? []);
  if (!parsed || path === undefined || typeof chain !== 'string') return undefined;
  return { path, ...parsed, chain, methods, rules: isObject(rules) ? rules : {}, responses: custom, label };
}

function parsePath(path: string | undefined, note: Note): Pick<TableRoute, 'normal' | 'isPrefix'> | undefined {
  const fault = path === undefined ? 'is missing or not text; expected a path such as /hooks/slack' : faultIn(path);
  if (path === undefined || fault !== undefined) {
    note('path', fault ?? '');
    return undefined;
  }
  const isPrefix = path.endsWith('/*');
  const normal = normalizePath(encodeRaw(isPrefix ? path.slice(0, -1) : path));
  const shadowed = hasDots(normal) ? 'has a segment . or .., which a request cannot have' : shadows(normal);
  if (shadowed === undefined) return { normal, isPrefix };
  note('path', shadowed);
  return undefined;
}

/** The path as a client sends it: other characters as escapes of their UTF-8 bytes. */
const encodeRaw = (path: string): string => path.replace(/[^\x21-\x7e]/gu, (character) => encodeURIComponent(character));

function faultIn(path: string): string | undefined {
  if (!path.startsWith('/')) return `${quote(path)} must begin with /`;
  if (path.length > MAX_PATH) return `has ${path.length} characters; expected at most ${MAX_PATH}`;
  if (/[?#]/.test(path)) return 'has ? or #, which a path cannot have; responses read the query with query.NAME';
  if (path.includes('*') && path.indexOf('*') !== path.length - 1) return 'has a * inside; only the last segment may be *, as in /hooks/*';
  if (path.includes('*') && !path.endsWith('/*')) return 'has a * that is not a whole segment; write /hooks/*';
  if (/%(?![0-9A-Fa-f]{2})/.test(path)) return 'has a % without two hex digits; write %25 for a percent sign';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return /[\u0000-\u001f\u007f]/.test(path) || !path.isWellFormed() ? 'has a control character, which a request cannot have' : undefined;
}

function shadows(normal: string): string | undefined {
  if (normal === '/') return 'would hide / and /append/chain/{chain}; choose another path';
  if (normal === '/append' || normal.startsWith('/append/')) return 'would hide /append/chain/{chain}; choose another path';
  return undefined;
}

function parseMethods(given: unknown, note: Note): string[] {
  if (given === undefined) return ['POST'];
  const known: readonly unknown[] = BODY_METHODS;
  const wrong = Array.isArray(given) ? given.find((method) => !known.includes(method)) : given;
  if (!Array.isArray(given) || given.length === 0 || wrong !== undefined) {
    note('methods', `${quote(wrong ?? given)} cannot be captured; expected a list of ${BODY_METHODS.join(', ')}`);
    return ['POST'];
  }
  return [...new Set(given as string[])];
}
