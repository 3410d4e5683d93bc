import { BlockhubError, errorCode } from '@blockhub/errors';
import { hideUserinfo, sentence } from '@blockhub/settings';

const MAX_CAUSE = 500;

/** First line of an error's text, without stack, credentials of URLs, and secret values. */
export function clean(text: string): string {
  const [line = ''] = text.split('\n', 1);
  return hideUserinfo(line.slice(0, MAX_CAUSE)).replace(secretValue, '$1…');
}

const secretValue =
  /((?:token|secret|passw(?:or)?d|authorization|cookie|api-?key)["']?\s*[:=]\s*["']?)(?:(?:bearer|basic)\s+)?[^\s"',;&]+/gi;

export const causeOf = (error: unknown): string => clean(error instanceof Error ? error.message : String(error));

/** The error code, what happened and the fix, in one line for /readyz. */
export function faultText(error: unknown): string {
  const fix = error instanceof BlockhubError ? ` ${error.fix}` : '';
  return `${errorCode(error)}: ${sentence(causeOf(error))}${fix}`;
}
