import { BlockhubError } from '@blockhub/errors';

// Imported by name, it would load fetch and WebSocket too.
const { STATUS_CODES } = process.getBuiltinModule('node:http');

/** The body of every error answer (RFC 9457), with a stable `code`. */
export interface Problem {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  readonly fix: string;
}

export const PROBLEM_MIME = 'application/problem+json; charset=utf-8';

/** Any thrown value as a BlockhubError. An unexpected error becomes INTERNAL, without its text. */
export function asProblemError(error: unknown): BlockhubError {
  if (error instanceof BlockhubError) return error;
  return new BlockhubError('INTERNAL', 'The request could not be handled.', { cause: error });
}

export function problemOf(error: BlockhubError): Problem {
  const { status } = error;
  return { status, code: error.code, title: STATUS_CODES[status] ?? 'Error', detail: error.message, fix: error.fix };
}
