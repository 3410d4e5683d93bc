import { BlockhubError } from '@blockhub/errors';

export const invalidUrl = (message: string, cause?: unknown): BlockhubError =>
  new BlockhubError('STORE_URL_INVALID', `store URL: ${message}`, { cause });
