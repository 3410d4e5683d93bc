/**
 * The newest entry seen of each chain. Entries are written once, so what was seen stays true for ever; it only goes out of date.
 * Bounded: the chain that was seen longest ago goes first.
 */
export class Facts {
  readonly #max: number;
  readonly #facts = new Map<string, { readonly height: number; readonly id: string }>();

  constructor(max: number) {
    this.#max = max;
  }

  /** True when the entry at this height was seen to hold this id. */
  has(chain: string, height: number, id: string): boolean {
    const fact = this.#facts.get(chain);
    return fact?.height === height && fact.id === id;
  }

  add(chain: string, height: number, id: string): void {
    if ((this.#facts.get(chain)?.height ?? -1) > height) return;
    this.#facts.delete(chain);
    this.#facts.set(chain, { height, id });
    if (this.#facts.size <= this.#max) return;
    for (const oldest of this.#facts.keys()) {
      this.#facts.delete(oldest);
      return;
    }
  }
}
