import type { Redactor } from '@blockhub/redact';
import type { Client } from '../http/client.ts';

export const REQUEST_MIME = 'application/vnd.blockhub.request+json';

/** The content of a request document. Secrets are replaced before it is hashed and stored. */
export interface DocumentedRequest {
  readonly method: string;
  /** The request target as sent: each character is one byte. */
  readonly url: string;
  /** Names and values in turn, in the order in which they were sent. Each character is one byte. */
  readonly rawHeaders: readonly string[];
  readonly client: Client;
  /** The sender, if a rule has found it. It is not secret. */
  readonly subject?: string | undefined;
  readonly receivedAt: number;
  /** `mime` is absent if the declared type cannot be read. */
  readonly body: { readonly event: string; readonly hash: string; readonly crypt: string; readonly length: number; readonly mime?: string };
}

function headerPairs(rawHeaders: readonly string[], redactor: Redactor): [string, string][] {
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string;
    pairs.push([name, redactor.header(name, rawHeaders[at + 1] as string)]);
  }
  return pairs;
}

/** Path and query as they were sent, separated at the first `?`. */
function targetOf(url: string, redactor: Redactor): { path: string; query?: string } {
  const target = redactor.text(url);
  const split = target.indexOf('?');
  return split < 0 ? { path: target } : { path: target.slice(0, split), query: target.slice(split + 1) };
}

export function requestDocument(request: DocumentedRequest, redactor: Redactor): Buffer {
  const headers = headerPairs(request.rawHeaders, redactor);
  const { ip, port, tls, via } = request.client;
  return Buffer.from(
    JSON.stringify({
      method: request.method,
      ...targetOf(request.url, redactor),
      headers,
      client: {
        ip: ip === '' ? null : ip,
        port,
        tls,
        via,
        userAgent: headers.find(([name]) => name.toLowerCase() === 'user-agent')?.[1] ?? null,
      },
      subject: request.subject,
      receivedAt: new Date(request.receivedAt).toISOString(),
      body: request.body,
    }),
  );
}
