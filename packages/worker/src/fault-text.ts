import { BlockhubError, errorCode } from '@blockhub/errors';
import { causeOf } from './clean.ts';

/** What happened and what to do, in one line for /readyz. */
export function faultText(error: unknown): string {
  const what = causeOf(error);
  const fix = error instanceof BlockhubError ? ` ${error.fix}` : '';
  return `${errorCode(error)}: ${what}${/[.!?]$/.test(what) ? '' : '.'}${fix}`;
}
