import { codeEntry, type ErrorCode, errorCodes } from './codes.ts';

/** An error whose code decides what the caller can do. The cause is always kept. */
export class BlockhubError extends Error {
  readonly code: ErrorCode;
  /** Facts for logs and answers, e.g. `{ key, field, path }`. Never a secret. */
  readonly details: Readonly<Record<string, unknown>>;
  readonly #fix: string | undefined;

  /** `fix`: what to do, in full sentences without secrets. The default is that of the code. */
  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; details?: Record<string, unknown>; fix?: string | undefined } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'BlockhubError';
    this.code = code;
    this.details = options.details ?? {};
    this.#fix = options.fix;
  }

  /** The same call may succeed later. */
  get transient(): boolean {
    return codeEntry(this.code).transient === true;
  }

  /** HTTP status for a sender; 500 if the table has none. */
  get status(): number {
    return codeEntry(this.code).status ?? 500;
  }

  get fix(): string {
    return this.#fix ?? codeEntry(this.code).fix;
  }
}

export const hasCode = (error: unknown, code: ErrorCode): error is BlockhubError => error instanceof BlockhubError && error.code === code;

/** True if the same call may succeed later; false for an error that is not a BlockhubError. */
export const isTransient = (error: unknown): boolean => error instanceof BlockhubError && error.transient;

/** The code of any thrown value: of a BlockhubError, else of Node (`ENOSPC`), else `INTERNAL`. */
export function errorCode(error: unknown): string {
  if (error instanceof BlockhubError) return error.code;
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && !(code in errorCodes) ? code : 'INTERNAL';
}
