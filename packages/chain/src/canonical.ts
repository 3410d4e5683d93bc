/** Deeper JSON is refused, so that no input can exhaust the stack. */
const MAX_DEPTH = 64;

/** The readers and writers of this package throw it and catch it. It never leaves the package. */
export class Malformed extends Error {
  /** JSON pointer to what is wrong. */
  readonly path: string;

  constructor(path: string, message: string) {
    super(message);
    this.path = path;
  }
}

/** Throws unless `holds`. Not for hot loops where building `path` costs. */
export function demand(holds: boolean, path: string, message: string): asserts holds {
  if (!holds) throw new Malformed(path, message);
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A whole number from 0 that JSON keeps. `-0` is refused, because it is written as `0`. */
export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0 && !Object.is(value, -0);

/** The value of this JSON text, or Malformed at `path`. */
export function readJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Malformed(path, `not JSON: ${(cause as Error).message}`);
  }
}

/**
 * RFC 8785 canonical JSON, limited to safe integers, which all readers agree on. Values that JSON
 * does not have are refused, not left out.
 */
export function canonicalJson(value: unknown, path = '', depth = 0): string {
  demand(depth <= MAX_DEPTH, path, `nested deeper than ${MAX_DEPTH}`);
  switch (typeof value) {
    case 'string':
      demand(value.isWellFormed(), path, 'holds half of a surrogate pair');
      return JSON.stringify(value);
    case 'number':
      demand(Number.isSafeInteger(value), path, 'a number must be a safe integer');
      return JSON.stringify(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      break;
    default:
      throw new Malformed(path, `JSON has no ${typeof value}`);
  }
  if (value === null) return 'null';
  if (Array.isArray(value))
    return `[${Array.from(value, (entry, index) => canonicalJson(entry, `${path}/${index}`, depth + 1)).join(',')}]`;
  const prototype: unknown = Object.getPrototypeOf(value);
  demand(prototype === null || Object.getPrototypeOf(prototype) === null, path, 'not a plain object');
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, entry]) => `${canonicalJson(key, path, depth)}:${canonicalJson(entry, `${path}/${key}`, depth + 1)}`).join(',')}}`;
}
