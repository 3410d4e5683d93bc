import { BlockhubError, errorCode } from '@blockhub/errors';
import { counted, oneLine } from './output.ts';

/** Shown on stderr; the count goes on. */
const MOST = 10;

/** What a command could not look at on its way: damaged, missing or unreadable things that a search went around. */
export class SkippedList {
  readonly #shown = new Map<string, string>();
  readonly #fixes = new Set<string>();
  #count = 0;

  readonly add = (key: string, error: unknown): void => {
    if (this.#shown.has(key)) return;
    this.#count++;
    if (this.#shown.size >= MOST) return;
    this.#shown.set(key, `${errorCode(error)}: ${error instanceof Error ? error.message : String(error)}`);
    if (error instanceof BlockhubError) this.#fixes.add(error.fix);
  };

  get count(): number {
    return this.#count;
  }

  /** For stderr; empty when everything was seen. */
  lines(): string[] {
    if (this.#count === 0) return [];
    const more = this.#count > MOST ? [`  and ${this.#count - MOST} more`] : [];
    const lines = Array.from(this.#shown, ([key, why]) => `  ${oneLine(key)}: ${oneLine(why)}`);
    const fixes = Array.from(this.#fixes, (fix) => `  ${oneLine(fix)}`);
    return [
      `warning: ${counted(this.#count, 'thing')} could not be looked at, so something may be missing here:`,
      ...lines,
      ...more,
      ...fixes,
    ];
  }
}
