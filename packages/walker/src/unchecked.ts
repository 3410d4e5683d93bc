import { errorCode } from '@blockhub/errors';

/** An object, or a prefix of keys, that could not be read. */
export interface Unchecked {
  key: string;
  error: unknown;
}

/** `key: code: reason`, on one line. */
export const reasonOf = ({ key, error }: Unchecked): string =>
  `${key}: ${errorCode(error)}: ${error instanceof Error ? error.message : String(error)}`;
