import { hideUserinfo } from '@blockhub/settings';

const MAX_CAUSE = 500;

/** First line of what an error says: no stack, no user or password of a URL, no value that a name calls secret. */
export function clean(text: string): string {
  const [line = ''] = text.split('\n', 1);
  return hideUserinfo(line.slice(0, MAX_CAUSE)).replace(secretValue, '$1…');
}

const secretValue =
  /((?:token|secret|passw(?:or)?d|authorization|cookie|api-?key)["']?\s*[:=]\s*["']?)(?:(?:bearer|basic)\s+)?[^\s"',;&]+/gi;

export const causeOf = (error: unknown): string => clean(error instanceof Error ? error.message : String(error));
