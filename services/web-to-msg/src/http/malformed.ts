import type { Socket } from 'node:net';
import { BlockhubError } from '@blockhub/errors';
import { lineOf } from './answers.ts';
import { linger } from './linger.ts';
import { PROBLEM_MIME, problemOf } from './problem.ts';

export type ParserError = Error & { readonly code?: string; readonly rawPacket?: Buffer; readonly bytesParsed?: number };

/** Messages for the codes of Node's HTTP parser. */
const reasons: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: 'The headers are too large.',
  HPE_INVALID_METHOD:
    'The request line does not begin with a known method; expected METHOD, target and HTTP/1.1, with one space between them.',
  HPE_INVALID_URL: 'The target of the request line has a character that a URL cannot have. Send the character percent-encoded.',
  HPE_INVALID_VERSION: 'The request line does not end with HTTP/1.1 or HTTP/1.0.',
  HPE_INVALID_CONSTANT: 'The request line is malformed; expected METHOD, target and HTTP/1.1. A space in the target must be sent as %20.',
  HPE_INVALID_CONTENT_LENGTH: 'The Content-Length header must be one whole number.',
  HPE_UNEXPECTED_CONTENT_LENGTH: 'The Content-Length header appears twice, or together with Transfer-Encoding.',
  HPE_INVALID_TRANSFER_ENCODING: 'The Transfer-Encoding header is not chunked, or appears together with Content-Length.',
  HPE_INVALID_HEADER_TOKEN: 'A header has a character that it cannot have.',
  HPE_INVALID_CHUNK_SIZE: 'The size of a chunk of the body must be a hexadecimal number.',
  HPE_INVALID_EOF_STATE: 'The connection ended in the middle of the request.',
  HPE_PAUSED_H2_UPGRADE: 'This server supports HTTP/1.1, not HTTP/2.',
};

/** True if the target in the refused line begins as a target can, or the line is not complete. */
function beginsAsTarget(packet: Buffer, at: number): boolean {
  const line = packet.toString('latin1', packet.lastIndexOf(0x0a, at - 1) + 1, at + 1);
  const target = /^[A-Z-]+ (.*)$/s.exec(line)?.[1];
  return target === undefined || /^(?:\/|\*|[a-z][a-z0-9+.-]*:\/\/)/i.test(target);
}

export function malformedError({ code = '', rawPacket, bytesParsed, message }: ParserError): BlockhubError {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new BlockhubError('REQUEST_TIMEOUT', 'The request did not arrive in time.');
  // The first bytes of a TLS handshake.
  if (rawPacket?.[0] === 0x16 && rawPacket[1] === 0x03)
    return invalid('The request is TLS, but this port expects plain HTTP. Send it with http://, or to the proxy that ends TLS.');
  if (code === 'HPE_INVALID_URL' && rawPacket && bytesParsed !== undefined && !beginsAsTarget(rawPacket, bytesParsed))
    return invalid('The target of the request line must begin with / or with http://.');
  if (/HTTP\/2/i.test(message)) return invalid(reasons.HPE_PAUSED_H2_UPGRADE ?? '');
  return invalid(reasons[code] ?? 'This is not a valid HTTP request.');
}

const invalid = (what: string): BlockhubError => new BlockhubError('REQUEST_INVALID', what);

/** Writes an answer and ends the connection, if Node has no request to answer. */
export function answerByHand(socket: Socket, error: BlockhubError, more: Readonly<Record<string, string>> = {}): void {
  const problem = problemOf(error);
  const body = lineOf(problem);
  const headers = { 'content-type': PROBLEM_MIME, 'content-length': String(Buffer.byteLength(body)), connection: 'close', ...more };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`HTTP/1.1 ${problem.status} ${problem.title}\r\n${lines.join('')}\r\n${body}`);
  linger(socket);
}
