import { BlockhubError } from '@blockhub/errors';
import { hideUrl } from '@blockhub/settings';

/** User and password never reach a message. */
const shown = (url: string): string => JSON.stringify(hideUrl(url).slice(0, 200));

export const invalidUrl = (url: string, reason: string, cause?: unknown): BlockhubError =>
  new BlockhubError('REGISTRY_URL_INVALID', `the registry URL ${shown(url)} ${reason}`, { cause });
