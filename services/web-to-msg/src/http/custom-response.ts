import type { CaptureReceipt } from '../capture/receipt.ts';
import type { FieldValues } from '../routes/fields.ts';
import type { Rendered } from '../routes/responses.ts';
import type { Route } from '../routes/routes.ts';
import type { Head } from '../rules/rule.ts';

/** Longer bodies are not parsed for a response. Handshakes are short. */
const MAX_DOC_BYTES = 256 * 1024;

/** The response of a route in place of the receipt. Undefined if none fits. */
export function customResponse(
  { responses }: Route,
  head: Head,
  { body, receipt, secrets }: { readonly body?: Buffer; readonly receipt?: CaptureReceipt; readonly secrets: ReadonlySet<string> },
  method = head.method,
): Rendered | undefined {
  if (responses.length === 0) return undefined;
  let doc: { readonly value: unknown } | undefined;
  const values: FieldValues = {
    query: queryOf(head.url, secrets),
    headers: head.headers,
    doc: () => {
      doc ??= { value: parseDoc(head, body) };
      return doc.value;
    },
    receipt,
  };
  for (const response of responses) {
    const rendered = response.render(method, values);
    if (rendered) return rendered;
  }
  return undefined;
}

function queryOf(url: string, secrets: ReadonlySet<string>): URLSearchParams {
  const from = url.indexOf('?');
  const query = new URLSearchParams(from < 0 ? '' : url.slice(from + 1));
  for (const name of [...query.keys()]) if (secrets.has(name.toLowerCase())) query.delete(name);
  return query;
}

function parseDoc({ headers }: Head, body: Buffer | undefined): unknown {
  const coding = headers['content-encoding'] ?? 'identity';
  if (!body || body.length === 0 || body.length > MAX_DOC_BYTES || coding.toLowerCase() !== 'identity') return undefined;
  try {
    return JSON.parse(body.toString('utf8').replace(/^\ufeff/, ''));
  } catch {
    return undefined;
  }
}
