/** A set of hashes, of which it holds the first 52 bits. Two hashes do not share these. */
export class IdSet {
  #cells = new Float64Array(1024);
  #size = 0;

  /** True if the set did not have it. */
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

  /** Index of the number's cell, or of the free cell for it. */
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
