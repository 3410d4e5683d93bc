import { readTime } from '@blockhub/clock';
import { BlockhubError, hasCode } from '@blockhub/errors';

/** Reads the value of an option; the error of a wrong one names the option. @throws USAGE */
export function inOption<T>(option: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!hasCode(error, 'USAGE')) throw error;
    throw new BlockhubError('USAGE', `${option}: ${error.message}`, { cause: error, details: { ...error.details, option } });
  }
}

/** The time in an option, in ms since 1970. @throws USAGE */
export function timeOption(option: string, text: string): number {
  const read = readTime(text);
  if ('ms' in read) return read.ms;
  throw new BlockhubError('USAGE', `${option}: ${JSON.stringify(text)} ${read.wrong}`, { details: { option } });
}
