import type { SettingsShape } from './setting.ts';

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** `storeUrl` → `--store-url`. */
export const flagName = (name: string): string => `--${kebab(name)}`;

/** `storeUrl` → `BLOCKHUB_STORE_URL`. */
export const envName = (name: string): string => `BLOCKHUB_${kebab(name).replaceAll('-', '_').toUpperCase()}`;

/** Refuses names whose flag or variable would be ambiguous. @throws TypeError */
export function checkShape(shape: SettingsShape): void {
  const variables = new Set(Object.keys(shape).map(envName));
  for (const [name, { secret }] of Object.entries(shape)) {
    if (!/^[a-z][a-z0-9]*([A-Z][a-z0-9]+)*$/.test(name)) throw new TypeError(`the setting name ${name} is not camelCase`);
    if (/^no[A-Z]/.test(name) || name === 'help') throw new TypeError(`the setting name ${name} conflicts with the flags --no-… or --help`);
    if (secret && variables.has(`${envName(name)}_FILE`)) throw new TypeError(`${envName(name)}_FILE has two meanings`);
  }
}

/** The flag that was probably meant; undefined if none is similar enough. */
export function findNearest(given: string, flags: readonly string[]): string | undefined {
  const plain = (flag: string): string => flag.toLowerCase().replace(/[^a-z0-9]/g, '');
  const wanted = plain(given)
    .replace(/^blockhub/, '')
    .slice(0, 64);
  let nearest: string | undefined;
  let fewest = Math.max(2, Math.floor(wanted.length / 3)) + 1;
  for (const flag of flags) {
    const edits = distance(wanted, plain(flag));
    if (edits < fewest) [nearest, fewest] = [flag, edits];
  }
  return nearest;
}

/** One letter added, removed or replaced, or two neighbours swapped. */
export const isOneEdit = (a: string, b: string): boolean => Math.abs(a.length - b.length) <= 1 && distance(a, b) === 1;

/** Levenshtein distance of two short texts. A swap of neighbours counts as one edit. */
function distance(a: string, b: string): number {
  let older: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const line = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let edits = Math.min((above[column] ?? 0) + 1, (line[column - 1] ?? 0) + 1, (above[column - 1] ?? 0) + (same ? 0 : 1));
      if (column > 1 && row > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        edits = Math.min(edits, (older[column - 2] ?? 0) + 1);
      line.push(edits);
    }
    [older, above] = [above, line];
  }
  return above[b.length] ?? 0;
}
