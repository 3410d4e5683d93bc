import { errorCode } from '@blockhub/errors';

/** One line that says what was not checked or seen, and why. */
export const reasonOf = ({ key, error }: { key: string; error: unknown }): string =>
  `${key}: ${errorCode(error)}: ${error instanceof Error ? error.message : String(error)}`;
