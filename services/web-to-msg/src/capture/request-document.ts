import type { Redactor } from '@blockhub/redact';
import type { Client } from '../http/client.ts';

/** The media type of request documents in a chain. */
export const REQUEST_MIME = 'application/vnd.blockhub.request+json';

/** What a request document says; see README. Secrets are replaced before it is hashed or stored. */
export interface DocumentedRequest {
  readonly method: string;
  /** The request target as sent: each character is one byte. */
  readonly url: string;
  /** Alternating names and values in the order of the wire, as Node gives them: each character is one byte. */
  readonly rawHeaders: readonly string[];
  readonly client: Client;
  /** Who sent it, where a rule asked; never the secret that says so. */
  readonly subject?: string | undefined;
  readonly receivedAt: number;
  /** `mime` is absent where the declared type cannot be read. */
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

/** Path and query as they came, apart at the first `?`; without a `?` there is no query. */
function targetOf(url: string, redactor: Redactor): { path: string; query?: string } {
  const target = redactor.text(url);
  const split = target.indexOf('?');
  return split < 0 ? { path: target } : { path: target.slice(0, split), query: target.slice(split + 1) };
}

/** The request document as the bytes that are hashed and stored. */
export function requestDocument(facts: DocumentedRequest, redactor: Redactor): Buffer {
  const headers = headerPairs(facts.rawHeaders, redactor);
  const { ip, port, tls, via } = facts.client;
  return Buffer.from(
    JSON.stringify({
      method: facts.method,
      ...targetOf(facts.url, redactor),
      headers,
      client: {
        ip: ip === '' ? null : ip,
        port,
        tls,
        via,
        userAgent: headers.find(([name]) => name.toLowerCase() === 'user-agent')?.[1] ?? null,
      },
      subject: facts.subject,
      receivedAt: new Date(facts.receivedAt).toISOString(),
      body: facts.body,
    }),
  );
}
