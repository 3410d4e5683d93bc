import type { Client } from './client.ts';

/** The media type of request documents in a chain. */
export const REQUEST_MIME = 'application/vnd.blockhub.request+json';

/** What a request document says; see README. Secrets are replaced before it is hashed or stored. */
export interface RequestFacts {
  readonly method: string;
  /** Path and query as sent. */
  readonly url: string;
  /** Alternating names and values in the order of the wire, as Node gives them. */
  readonly rawHeaders: readonly string[];
  readonly client: Client;
  /** Who sent it, where a rule asked; never the secret that says so. */
  readonly subject?: string | undefined;
  readonly receivedAt: number;
  readonly body: { readonly event: string; readonly hash: string; readonly crypt: string; readonly length: number; readonly mime: string };
}

const REDACTED = '[redacted]';
const SECRET_HEADER = /^(?:(?:proxy-)?authorization|(?:set-)?cookie2?|.*(?:token|secret|signature|api-?key|password|hmac).*)$/i;
const SECRET_PARAMETER = /(?:token|secret|signature|api-?_?key|password|hmac|^sig$|^key$|^auth|^code$)/i;

/** Header names repeat from request to request; the verdicts of the last few hundred are kept. */
const verdicts = new Map<string, boolean>();
function isSecretHeader(name: string): boolean {
  let secret = verdicts.get(name);
  if (secret === undefined) {
    if (verdicts.size >= 512) verdicts.clear();
    secret = SECRET_HEADER.test(name);
    verdicts.set(name, secret);
  }
  return secret;
}

function headerPairs(rawHeaders: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string;
    pairs.push([name, isSecretHeader(name) ? REDACTED : (rawHeaders[at + 1] as string)]);
  }
  return pairs;
}

/** Query parameters in order, decoded; a value of a secret name is replaced. */
function queryPairs(query: string): [string, string][] {
  return [...new URLSearchParams(query)].map(([name, value]) => [name, SECRET_PARAMETER.test(name) ? REDACTED : value]);
}

/** The request document as the bytes that are hashed and stored. */
export function requestDocument(facts: RequestFacts): Buffer {
  const split = facts.url.indexOf('?');
  const headers = headerPairs(facts.rawHeaders);
  return Buffer.from(
    JSON.stringify({
      method: facts.method,
      path: split < 0 ? facts.url : facts.url.slice(0, split),
      query: split < 0 ? [] : queryPairs(facts.url.slice(split + 1)),
      headers,
      client: { ...facts.client, userAgent: headers.find(([name]) => name.toLowerCase() === 'user-agent')?.[1] ?? null },
      subject: facts.subject,
      receivedAt: new Date(facts.receivedAt).toISOString(),
      body: facts.body,
    }),
  );
}
