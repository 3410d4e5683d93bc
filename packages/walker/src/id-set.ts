/** A set of hashes in 8 to 16 bytes each: their first 52 bits. Ids are hashes, so two that share those do not happen by accident. */
export class IdSet {
  #cells = new Float64Array(1024);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** True when it was not there. */
  add(hash: string): boolean {
    if (this.#size * 2 >= this.#cells.length) this.#grow();
    const cell = numberOf(hash);
    const at = this.#find(cell);
    if (this.#cells[at] === cell) return false;
    this.#cells[at] = cell;
    this.#size++;
    return true;
  }

  has(hash: string): boolean {
    const cell = numberOf(hash);
    return this.#cells[this.#find(cell)] === cell;
  }

  /** Where the number lies, or the free cell where it would. */
  #find(cell: number): number {
    const mask = this.#cells.length - 1;
    let at = (cell % 0x8000_0000) & mask;
    while (this.#cells[at] !== 0 && this.#cells[at] !== cell) at = (at + 1) & mask;
    return at;
  }

  #grow(): void {
    const before = this.#cells;
    this.#cells = new Float64Array(before.length * 2);
    for (const cell of before) if (cell !== 0) this.#cells[this.#find(cell)] = cell;
  }
}

/** Never 0, which marks a free cell. */
const numberOf = (hash: string): number => Number.parseInt(hash.slice(0, 13), 16) + 1;
