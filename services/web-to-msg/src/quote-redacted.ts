import { quote } from '@blockhub/errors';
import { Redactor } from '@blockhub/redact';

const plain = new Redactor();

/** As `quote`, for a value of a sender: secrets in it are replaced. */
export const quoteRedacted = (value: string): string => quote(plain.text(value));
