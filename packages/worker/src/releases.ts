/** Releases what was opened, in reverse order. If one release fails, the others still run. */
export class Releases {
  readonly #parts: { readonly name: string; readonly run: () => unknown }[] = [];
  readonly #failed: (name: string, error: unknown) => void;

  constructor(failed: (name: string, error: unknown) => void) {
    this.#failed = failed;
  }

  add(name: string, run: () => unknown): void {
    this.#parts.push({ name, run });
  }

  /** A second call does nothing. */
  async run(): Promise<void> {
    for (let part = this.#parts.pop(); part; part = this.#parts.pop()) {
      try {
        await part.run();
      } catch (error) {
        this.#failed(part.name, error);
      }
    }
  }
}
