import { BlockhubError } from '@blockhub/errors';

// Imported by name, it would load fetch and WebSocket too.
const { STATUS_CODES } = process.getBuiltinModule('node:http');

/** Every error that a sender sees has this shape (RFC 9457) and a stable `code`. */
export interface Problem {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  readonly fix: string;
}

export const PROBLEM_MIME = 'application/problem+json; charset=utf-8';

/** Fastify's and Node's own errors that are the sender's doing, in our words. */
const foreign: Readonly<Record<string, BlockhubError>> = {
  FST_ERR_BAD_URL: new BlockhubError('REQUEST_INVALID', 'The path of the URL is not valid percent-encoding.'),
  // Fastify wants a Content-Type with the method QUERY, before it looks for a route; no route here takes that method.
  FST_ERR_ROUTE_MISSING_CONTENT_TYPE: new BlockhubError('METHOD_NOT_ALLOWED', 'QUERY is not possible here; use POST.'),
  FST_ERR_MAX_PARAM_LENGTH: new BlockhubError('CHAIN_NOT_FOUND', 'No chain has so long an id or name.'),
};

/** Turns anything thrown into a BlockhubError; what nobody foresaw becomes INTERNAL without its text. */
export function asProblemError(error: unknown): BlockhubError {
  if (error instanceof BlockhubError) return error;
  const code = String((error as { code?: unknown } | null)?.code ?? '');
  return foreign[code] ?? new BlockhubError('INTERNAL', 'The request could not be handled.', { cause: error });
}

export function problemOf(error: BlockhubError): Problem {
  const { status } = error;
  return { status, code: error.code, title: STATUS_CODES[status] ?? 'Error', detail: error.message, fix: error.fix };
}
