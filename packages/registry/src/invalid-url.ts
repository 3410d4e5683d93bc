import { BlockhubError } from '@blockhub/errors';

/** User and password never reach a message. */
const shown = (url: string): string => JSON.stringify(url.slice(0, 200).replace(/(\/\/|:|^)[^/\s]*@/, '$1[hidden]@'));

export const invalidUrl = (url: string, reason: string, cause?: unknown): BlockhubError =>
  new BlockhubError('REGISTRY_URL_INVALID', `the registry URL ${shown(url)} ${reason}`, { cause });
