import { once } from 'node:events';
import type { Writable } from 'node:stream';

export const formats = ['table', 'ndjson', 'json'] as const;
export type Format = (typeof formats)[number];

/** Writes data to stdout. Waits until it is read, so that long output needs little memory. */
export class Output {
  readonly format: Format;
  readonly #stream: Writable;
  readonly #color: boolean;
  #items = 0;

  constructor(stream: Writable, format: Format, color: boolean) {
    this.#stream = stream;
    this.format = format;
    this.#color = color;
  }

  /** One of several values; call `end` after the last. */
  async item(value: object, text: string | (() => string)): Promise<void> {
    if (this.format === 'json') await this.write(`${this.#items === 0 ? '[' : ','}\n${JSON.stringify(value)}`);
    else await this.write(`${this.#one(value, text)}\n`);
    this.#items++;
  }

  async end(): Promise<void> {
    if (this.format === 'json') await this.write(this.#items === 0 ? '[]\n' : '\n]\n');
  }

  async one(value: object, text: string | (() => string)): Promise<void> {
    await this.write(`${this.format === 'json' ? JSON.stringify(value, null, 2) : this.#one(value, text)}\n`);
  }

  async all<T extends object>(values: readonly T[], columns: Readonly<Record<string, (value: T) => string | number>>): Promise<void> {
    if (this.format === 'table') return this.write(this.#table(values, columns));
    for (const value of values) await this.item(value, '');
    await this.end();
  }

  async write(data: string | Uint8Array): Promise<void> {
    if (data.length > 0 && !this.#stream.write(data)) await once(this.#stream, 'drain').catch(() => {});
  }

  dim(text: string): string {
    return this.#color ? `\u001b[2m${text}\u001b[22m` : text;
  }

  red(text: string): string {
    return this.#color ? `\u001b[31m${text}\u001b[39m` : text;
  }

  #one(value: object, text: string | (() => string)): string {
    if (this.format !== 'table') return JSON.stringify(value);
    return typeof text === 'string' ? text : text();
  }

  #table<T>(values: readonly T[], columns: Readonly<Record<string, (value: T) => string | number>>): string {
    const names = Object.keys(columns);
    const rows = values.map((value) => names.map((name) => oneLine(String(columns[name]?.(value) ?? ''))));
    const widths = names.map((name, at) => Math.max(name.length, ...rows.map((row) => row[at]?.length ?? 0)));
    const line = (cells: readonly string[]): string =>
      cells
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd();
    return `${[this.dim(line(names.map((name) => name.toUpperCase()))), ...rows.map(line)].join('\n')}\n`;
  }
}

/** Shows control characters as symbols, because text of others must not control the terminal. */
export const printable = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is meant
  text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, (sign) =>
    sign < ' ' ? String.fromCharCode(0x2400 + sign.charCodeAt(0)) : '\u2421',
  );

export const oneLine = (text: string): string => printable(text.replace(/[\n\t]/g, ' '));

export const isoTime = (ms: number): string => new Date(ms).toISOString();

/** `1 block`, `2 blocks`. */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
