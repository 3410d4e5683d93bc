import { BlockhubError } from '@blockhub/errors';
import type { ChainRecord } from './registry.ts';

const invalid = (what: string): BlockhubError => new BlockhubError('CHAIN_INVALID', `a chain record must have ${what}`);

/** A frozen copy that has exactly the fields of a record. @throws CHAIN_INVALID naming the field */
export function checkRecord({ id, name, crypt, settings, time }: ChainRecord): ChainRecord {
  if (crypt !== 'sha256' && crypt !== 'md5') throw invalid('crypt sha256 or md5');
  if (typeof id !== 'string' || !(crypt === 'md5' ? /^[0-9a-f]{32}$/ : /^[0-9a-f]{64}$/).test(id))
    throw invalid(`an id that is a ${crypt} hash`);
  // The chain package checks names. Here a name only must not look like an id.
  if (name !== undefined && (typeof name !== 'string' || name === '' || name.length > 255 || /^([0-9a-f]{32}|[0-9a-f]{64})$/.test(name))) {
    throw invalid('a name that is not a hash, or no name');
  }
  if (!Number.isSafeInteger(time) || time < 0) throw invalid('a time in milliseconds');
  if (typeof settings !== 'object' || settings === null || !['boolean', 'undefined'].includes(typeof settings.requests))
    throw invalid('settings with a boolean requests, or none');
  const kept = Object.freeze(settings.requests === undefined ? {} : { requests: settings.requests });
  return Object.freeze({ id, ...(name === undefined ? {} : { name }), crypt, settings: kept, time });
}

/** @throws CHAIN_INVALID */
export function checkHeight(height: number): void {
  if (!Number.isSafeInteger(height) || height < 0)
    throw new BlockhubError('CHAIN_INVALID', `a height must be a whole number from 0, got ${height}`);
}
