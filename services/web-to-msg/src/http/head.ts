import type { IncomingMessage } from 'node:http';
import { BlockhubError } from '@blockhub/errors';
import type { Route } from '../routes/routes.ts';
import type { Head } from '../rules/rule.ts';
import { clientOf } from './client.ts';

export const MAX_HEADERS = 100;

export const tooManyHeaders = (): BlockhubError =>
  new BlockhubError('REQUEST_INVALID', `The request has more than ${MAX_HEADERS} headers.`);

/** A request without its body. @throws REQUEST_INVALID */
export function headOf(request: IncomingMessage, { chain, rules }: Route): Head {
  const { rawHeaders, headers, httpVersion, method = '', url = '' } = request;
  if (rawHeaders.length / 2 > MAX_HEADERS) throw tooManyHeaders();
  if (headers.host === undefined && httpVersion === '1.1') throw new BlockhubError('REQUEST_INVALID', 'The Host header is missing.');
  // Other transfer codings are not decoded, so the stored bytes would not be those of the sender.
  if (headers['transfer-encoding'] !== undefined && headers['transfer-encoding'].toLowerCase() !== 'chunked')
    throw new BlockhubError('REQUEST_INVALID', 'The Transfer-Encoding header must be chunked and nothing else.');
  return { chain, method, url, rawHeaders, headers, client: clientOf(request, rules.proxies, rules.forwarding), found: {} };
}

/** Without this header Node reads no body of HTTP/1.0 (RFC 1945, 8.3). @throws REQUEST_INVALID */
export function checkLength({ headers, httpVersion }: IncomingMessage): void {
  if (headers['content-length'] === undefined && httpVersion === '1.0')
    throw new BlockhubError('REQUEST_INVALID', 'The Content-Length header is missing, which HTTP/1.0 requires.');
}
