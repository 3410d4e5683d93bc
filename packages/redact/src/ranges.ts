export class Ranges {
  readonly #places: [from: number, to: number][] = [];

  get isEmpty(): boolean {
    return this.#places.length === 0;
  }

  add(from: number, to: number): void {
    if (to > from) this.#places.push([from, to]);
  }

  /** `map` has the place of each character of the decoded text in this text. */
  addDecoded(ranges: Ranges, map: readonly number[]): void {
    for (const [from, to] of ranges.#places) this.add(map[from] ?? 0, map[to] ?? 0);
  }

  /** The text with each range replaced. Ranges that touch are one. */
  replace(text: string, marker: string): string {
    let [shown, done, open] = ['', 0, -1];
    for (const [from, to] of this.#places.sort((a, b) => a[0] - b[0])) {
      if (from > open) {
        shown += text.slice(done, from) + marker;
        open = to;
      } else open = Math.max(open, to);
      done = open;
    }
    return shown + text.slice(done);
  }
}

/**
 * Decodes one level of percent-encoding, each escape to one character. `map` has the place of each
 * character in the text. Undefined if there is none.
 */
export function decodePercent(text: string): { readonly text: string; readonly map: readonly number[] } | undefined {
  if (!text.includes('%') || !/%[0-9a-f]{2}/i.test(text)) return undefined;
  const map: number[] = [];
  let decoded = '';
  for (let at = 0; at < text.length; at++) {
    map.push(at);
    const code = text[at] === '%' ? text.slice(at + 1, at + 3) : '';
    if (/^[0-9a-f]{2}$/i.test(code)) {
      decoded += String.fromCharCode(Number.parseInt(code, 16));
      at += 2;
    } else decoded += text[at];
  }
  return { text: decoded, map: [...map, text.length] };
}
