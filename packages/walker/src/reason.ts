import { errorCode } from '@blockhub/errors';

const MOST_QUOTED = 100;

/** A text that was given, for a message: as JSON, and not endless. */
export const quoted = (text: string): string => JSON.stringify(text.length > MOST_QUOTED ? `${text.slice(0, MOST_QUOTED)}…` : text);

/** One line that says what was not checked or seen, and why. */
export const reasonOf = ({ key, error }: { key: string; error: unknown }): string =>
  `${key}: ${errorCode(error)}: ${error instanceof Error ? error.message : String(error)}`;
