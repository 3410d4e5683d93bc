/** Kinds of faults that the system reports. Those in the second line last until a person acts. */
export type FaultKind =
  | ('refused' | 'reset' | 'timeout' | 'unreachable' | 'resolver' | 'descriptors' | 'memory' | 'busy' | 'mount')
  | ('name' | 'certificate' | 'protocol' | 'full' | 'read-only' | 'denied' | 'path' | 'file-system' | 'disk');

/** A fault of disk, network or TLS, explained for the operator. */
export interface Fault {
  readonly kind: FaultKind;
  /** The error code of the system, such as `ENOSPC`. */
  readonly code: string;
  /** A clause without a full stop. */
  readonly what: string;
  readonly fix: string;
}

/** The last sentence of a `fix` after which no restart is needed. */
export const GOES_ON = 'After that, work continues without a restart.';

export interface FaultPlace {
  /** The setting that names the place, such as `--store`. */
  readonly setting: string;
  /** Ends of sentences: how to turn TLS on and off, and how to name authorities. */
  readonly tls?: { readonly on: string; readonly off: string; readonly ca: string };
}

/** An error of Node. Its origin decides which fields it has. */
export interface SystemError {
  readonly code?: unknown;
  readonly errno?: unknown;
  readonly syscall?: unknown;
  readonly hostname?: unknown;
  readonly address?: unknown;
  readonly port?: unknown;
  readonly cert?: { readonly subjectaltname?: unknown };
  readonly errors?: unknown;
  readonly cause?: unknown;
  readonly message?: unknown;
}

const MOST_CAUSES = 8;

/** The error itself, then its causes, and the errors of each address if several were tried. */
function* causesOf(error: unknown): Generator<SystemError, void, undefined> {
  const queue: unknown[] = [error];
  for (let count = 0; count < MOST_CAUSES && queue.length > 0; count++) {
    const one = queue.shift();
    if (typeof one !== 'object' || one === null) continue;
    yield one as SystemError;
    const { errors, cause } = one as SystemError;
    if (Array.isArray(errors)) queue.push(...errors.slice(0, MOST_CAUSES));
    if (cause !== undefined) queue.push(cause);
  }
}

/** The fault of the first error, among it and its causes, whose code `known` explains. */
export function findFault<T>(error: unknown, known: (code: string, found: SystemError) => T | undefined): T | undefined {
  for (const found of causesOf(error)) {
    const fault = typeof found.code === 'string' ? known(found.code, found) : undefined;
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** What a code means: the kind, a clause without a full stop, and sentences that say what to do. */
export type Entry = readonly [FaultKind, what: string, fix: string];

/** A table by code. Each row has codes that mean the same, with blanks between them. */
export const tableOf = (rows: readonly (readonly [codes: string, ...Entry])[]): ReadonlyMap<string, Entry> =>
  new Map(rows.flatMap(([codes, ...entry]) => codes.split(' ').map((code): [string, Entry] => [code, entry])));
