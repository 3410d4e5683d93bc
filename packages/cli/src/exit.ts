import { BlockhubError, type ErrorCode, errorCode } from '@blockhub/errors';
import { hideUserinfo } from '@blockhub/settings';

/**
 * - `faults`: a chain, object or key is damaged, or the store is unsafe
 * - `usage`: an argument, option or setting is wrong
 * - `unchecked`: not everything could be checked, e.g. because the store does not answer
 */
export const exitCodes = { ok: 0, faults: 1, usage: 2, unchecked: 3, notFound: 4, interrupted: 130 } as const;

const byCode: Partial<Record<ErrorCode, number>> = {
  BLOCK_INVALID: exitCodes.faults,
  CHAIN_DAMAGED: exitCodes.faults,
  KEY_DAMAGED: exitCodes.faults,
  OBJECT_EXISTS: exitCodes.faults,
  OBJECT_HASH_MISMATCH: exitCodes.faults,
  STORE_UNSAFE: exitCodes.faults,
  BROKER_URL_INVALID: exitCodes.usage,
  CHAIN_INVALID: exitCodes.usage,
  CHAIN_NAME_TAKEN: exitCodes.usage,
  REGISTRY_URL_INVALID: exitCodes.usage,
  SETTINGS_INVALID: exitCodes.usage,
  STORE_KEY_INVALID: exitCodes.usage,
  STORE_URL_INVALID: exitCodes.usage,
  USAGE: exitCodes.usage,
  CHAIN_NOT_FOUND: exitCodes.notFound,
  DEAD_LETTER_NOT_FOUND: exitCodes.notFound,
  KEY_NOT_FOUND: exitCodes.notFound,
  OBJECT_MISSING: exitCodes.notFound,
  STORE_NOT_FOUND: exitCodes.notFound,
};

export const exitCodeOf = (error: unknown): number => (error instanceof BlockhubError && byCode[error.code]) || exitCodes.unchecked;

export function errorText(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const fix = error instanceof BlockhubError ? `\n${error.fix}` : '';
  return `${errorCode(error)}: ${hideUserinfo(message)}${fix}`;
}
