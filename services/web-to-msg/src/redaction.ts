import { Redactor } from '@blockhub/redact';
import type { CaptureSettings } from './settings.ts';

/** What replaces the secrets of requests: besides the known ones those of the setting `redact`, and the shared tokens, wherever they stand. */
export const redactorOf = ({ redact, tokens = [] }: Pick<CaptureSettings, 'redact' | 'tokens'>): Redactor =>
  new Redactor({ names: redact, values: tokens.map((token) => (token.split(';', 1)[0] ?? '').trim()) });

const MAX_SHOWN = 100;
const plain = new Redactor();

/** A value of a sender as a refusal names it: on one line, cut, without secrets. */
export function shown(value: string): string {
  const text = plain.text(value);
  return JSON.stringify(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text);
}
