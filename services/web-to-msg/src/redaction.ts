import { Redactor } from '@blockhub/redact';

interface Secrets {
  /** Names of headers and parameters. */
  readonly names: Iterable<string>;
  /** Secret wherever they stand. */
  readonly tokens: Iterable<string>;
}

/** What replaces the secrets of requests in their documents. */
export const redactorOf = ({ names, tokens }: Secrets): Redactor => new Redactor({ names: [...names], values: [...tokens] });

const MAX_SHOWN = 100;
const plain = new Redactor();

/** A value of a sender as a refusal names it: on one line, cut, without secrets. */
export function shown(value: string): string {
  const text = plain.text(value);
  return JSON.stringify(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text);
}
