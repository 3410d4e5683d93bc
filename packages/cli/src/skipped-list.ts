import { BlockhubError, errorCode } from '@blockhub/errors';
import { oneLine } from './output.ts';

/** Objects that are named; more are only counted. */
const MAX_NAMED = 10;

/** Objects that a command skipped because they are damaged, missing or cannot be read. */
export class SkippedList {
  readonly #shown = new Map<string, string>();
  readonly #fixes = new Set<string>();
  #count = 0;

  readonly add = (key: string, error: unknown): void => {
    if (this.#shown.has(key)) return;
    this.#count++;
    if (this.#shown.size >= MAX_NAMED) return;
    this.#shown.set(key, `${errorCode(error)}: ${error instanceof Error ? error.message : String(error)}`);
    if (error instanceof BlockhubError) this.#fixes.add(error.fix);
  };

  get count(): number {
    return this.#count;
  }

  /** For stderr; empty if nothing was skipped. */
  lines(): string[] {
    if (this.#count === 0) return [];
    const more = this.#count > MAX_NAMED ? [`  and ${this.#count - MAX_NAMED} more`] : [];
    const lines = Array.from(this.#shown, ([key, why]) => `  ${oneLine(key)}: ${oneLine(why)}`);
    const fixes = Array.from(this.#fixes, (fix) => `  ${oneLine(fix)}`);
    return [
      `warning: ${this.#count === 1 ? '1 object was' : `${this.#count} objects were`} skipped, so the result may be incomplete:`,
      ...lines,
      ...more,
      ...fixes,
    ];
  }
}
