import { readFileSync, statSync } from 'node:fs';
import { errorCode } from '@blockhub/errors';
import { quote } from '../quote.ts';
import { hasDots, normalizePath } from './path.ts';
import { repeatedKey } from './repeated-key.ts';
import { BODY_METHODS, type CustomResponse, isObject, type Note, parseResponse } from './responses.ts';

/** One line of the route table, read and checked. */
export interface TableRoute {
  /** As the table has it. */
  readonly path: string;
  /** In its normal form; of a prefix without the `*`. */
  readonly normal: string;
  readonly isPrefix: boolean;
  /** By id or name. */
  readonly chain: string;
  /** Of which requests are captured. */
  readonly methods: readonly string[];
  /** As they stand in the table, by names of settings. */
  readonly rules: Readonly<Record<string, unknown>>;
  readonly responses: readonly CustomResponse[];
  /** Where it stands, for mistakes: `route 2 (/hooks/slack)`. */
  readonly label: string;
}

const FIELDS = new Set(['path', 'chain', 'methods', 'rules', 'responses']);
const MAX_BYTES = 1024 * 1024;
const MAX_ROUTES = 1000;
const MAX_RESPONSES = 50;
const MAX_PATH = 1000;

/** The routes of the setting: JSON text that begins with `[`, or the path of a file with it. Every mistake is noted. */
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
    mistake(`the file ${quote(path)} ${why}; expected a JSON file, or JSON text that begins with [`);
  }
  return undefined;
}

/** The message of V8 may quote the text, and a token in it, so only the place is shown. */
function parseJson(text: string, mistake: (what: string) => void): unknown[] {
  try {
    const list: unknown = JSON.parse(text);
    const repeated = repeatedKey(text);
    if (repeated !== undefined) mistake(`has the field ${quote(repeated)} twice in one object`);
    else if (!Array.isArray(list)) mistake('expected a list of routes in [ ]');
    else if (list.length === 0) mistake('has no routes; leave the setting out');
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
  for (const field of Object.keys(given)) if (!FIELDS.has(field)) note(field, `is not known; expected ${[...FIELDS].join(', ')}`);
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
  const fault = path === undefined ? 'is missing or no text; expected a path such as /hooks/slack' : faultIn(path);
  if (path === undefined || fault !== undefined) {
    note('path', fault ?? '');
    return undefined;
  }
  const isPrefix = path.endsWith('/*');
  const normal = normalizePath(encodeRaw(isPrefix ? path.slice(0, -1) : path));
  const shadowed = hasDots(normal) ? 'has a segment . or .., which no request can have' : shadows(normal);
  if (shadowed === undefined) return { normal, isPrefix };
  note('path', shadowed);
  return undefined;
}

/** As a client sends what a person writes: bytes of UTF-8, and no blank. */
const encodeRaw = (path: string): string => path.replace(/[^\x21-\x7e]/gu, (character) => encodeURIComponent(character));

function faultIn(path: string): string | undefined {
  if (!path.startsWith('/')) return `${quote(path)} must begin with /`;
  if (path.length > MAX_PATH) return `has ${path.length} characters; expected at most ${MAX_PATH}`;
  if (/[?#]/.test(path)) return 'has ? or #; a path ends before them, and responses look at a query with query.NAME';
  if (path.includes('*') && path.indexOf('*') !== path.length - 1) return 'has a * inside; only the last segment may be *, as in /hooks/*';
  if (path.includes('*') && !path.endsWith('/*')) return 'has a * that is not a whole segment; write /hooks/*';
  if (/%(?![0-9A-Fa-f]{2})/.test(path)) return 'has a % without two hex digits; write %25 for a percent sign';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return /[\u0000-\u001f\u007f]/.test(path) || !path.isWellFormed() ? 'holds a control character, which no request can have' : undefined;
}

function shadows(normal: string): string | undefined {
  if (normal === '/') return 'would take requests from /, the route of the default chain, and /append/chain/{chain}';
  if (normal === '/append' || normal.startsWith('/append/')) return 'would take requests from /append/chain/{chain}; choose another path';
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
