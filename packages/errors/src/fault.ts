/** What kinds of faults the system reports. Those in the second line only end when a person changes something. */
export type FaultKind =
  | ('refused' | 'reset' | 'timeout' | 'unreachable' | 'resolver' | 'descriptors' | 'memory' | 'busy' | 'mount')
  | ('name' | 'certificate' | 'protocol' | 'full' | 'read-only' | 'denied' | 'path' | 'file-system' | 'disk');

/** A fault of disk, network or TLS, in words for its operator. */
export interface Fault {
  readonly kind: FaultKind;
  /** The word of the system for it, such as `ENOSPC`. */
  readonly code: string;
  /** A clause without a full stop. */
  readonly what: string;
  /** Sentences. */
  readonly fix: string;
}

/** The last sentence of a `fix` after which no restart is needed. */
export const GOES_ON = 'After that, work goes on by itself.';

/** Where the fault was met, as texts name it. */
export interface FaultPlace {
  /** What names the place, such as `--store`. */
  readonly setting: string;
  /** How TLS is turned on and off there, and how further authorities are named: ends of sentences, such as `write rediss://`. */
  readonly tls?: { readonly on: string; readonly off: string; readonly ca: string };
}

/** An error of Node. Which of it is there differs by its origin. */
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

/** The error itself, then what it was made of: its parts, where several addresses were tried, and its causes. */
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

/** The first error among them whose code is in a table. */
export function findFault<T>(error: unknown, known: (code: string, found: SystemError) => T | undefined): T | undefined {
  for (const found of causesOf(error)) {
    const fault = typeof found.code === 'string' ? known(found.code, found) : undefined;
    if (fault !== undefined) return fault;
  }
  return undefined;
}
