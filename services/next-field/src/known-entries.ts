/**
 * The newest known entry of each chain. Entries never change, so what is known stays true, and at
 * worst is not the newest. The number is limited: the entry added longest ago goes first.
 */
export class KnownEntries {
  readonly #max: number;
  readonly #entries = new Map<string, { readonly height: number; readonly id: string }>();

  constructor(max: number) {
    this.#max = max;
  }

  /** True if the entry at this height is known to hold this id. */
  has(chain: string, height: number, id: string): boolean {
    const entry = this.#entries.get(chain);
    return entry?.height === height && entry.id === id;
  }

  add(chain: string, height: number, id: string): void {
    if ((this.#entries.get(chain)?.height ?? -1) > height) return;
    this.#entries.delete(chain);
    this.#entries.set(chain, { height, id });
    if (this.#entries.size <= this.#max) return;
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest);
      return;
    }
  }
}
