import { quote } from '@blockhub/errors';

export interface FetchBounds {
  readonly maxBytes: number;
  readonly timeoutMs: number;
}

/**
 * Fetches a JSON object. Redirects are not followed, because an attacker between could send one.
 * @throws Error with what was answered instead, in a sentence without a full stop
 */
export async function fetchJson(url: string, signal: AbortSignal, { maxBytes, timeoutMs }: FetchBounds): Promise<Record<string, unknown>> {
  let answer: Response;
  let text: string;
  try {
    answer = await fetch(url, { redirect: 'manual', signal, headers: { accept: 'application/json' } });
    text = answer.ok ? await readText(answer, url, maxBytes) : '';
  } catch (cause) {
    if (cause instanceof UnusableAnswer) throw cause;
    const why = signal.aborted ? `did not answer within ${timeoutMs} ms` : `does not answer: ${reasonOf(cause)}`;
    throw new Error(`${url} ${why}`, { cause });
  }
  if (!answer.ok) {
    await answer.body?.cancel();
    const target = quote(answer.headers.get('location') ?? 'nowhere');
    const why = answer.status >= 300 && answer.status < 400 ? ` with a redirect to ${target}, which is not followed` : '';
    throw new UnusableAnswer(`${url} answered ${answer.status}${why}`);
  }
  return parse(text, url, answer.headers.get('content-type'));
}

/** An answer has arrived, but cannot be used. */
export class UnusableAnswer extends Error {}

async function readText(answer: Response, url: string, maxBytes: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  // An error in the loop ends the transfer.
  for await (const part of answer.body ?? []) {
    length += part.length;
    if (length > maxBytes) throw new UnusableAnswer(`${url} answered with more than ${maxBytes} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts)
    .toString()
    .replace(/^\ufeff/, '');
}

function parse(text: string, url: string, type: string | null): Record<string, unknown> {
  const expected = `expected a JSON object, got ${type === null ? 'an answer without a type' : quote(type)}`;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UnusableAnswer(`${url} did not answer with JSON: ${expected} that begins with ${quote(text.trimStart())}`);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new UnusableAnswer(`${url} answered with other JSON: ${expected} with ${Array.isArray(value) ? 'an array' : typeof value}`);
}

/** The reason of an error of `fetch`, whose own message has none. */
const reasonOf = (error: unknown): string => {
  const { cause = error } = error as { cause?: unknown };
  return cause instanceof Error ? cause.message || String((cause as { code?: unknown }).code) : String(cause);
};
