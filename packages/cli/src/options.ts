import { readTime } from '@blockhub/clock';
import { BlockhubError, hasCode, quote } from '@blockhub/errors';

export const CHAIN_HELP = 'Id or name of the chain. Default: the chain named default, or the only one.';
export const ONE_CHAIN_HELP = 'Search only this chain, by id or name.';

/** Reads the value of an option. Its error names the option. @throws USAGE */
export function inOption<T>(option: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!hasCode(error, 'USAGE')) throw error;
    throw new BlockhubError('USAGE', `${option}: ${error.message}`, { cause: error, details: { ...error.details, option } });
  }
}

export function timeOption(option: string, text: string): number {
  const read = readTime(text);
  if ('ms' in read) return read.ms;
  throw new BlockhubError('USAGE', `${option}: ${quote(text)} ${read.wrong}`, { details: { option } });
}
