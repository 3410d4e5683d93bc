/**
 * What the generators share: `pnpm fix` writes what is out of date, and `--check` says it and makes
 * the process fail.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

export const top = resolve(import.meta.dirname, '../..');
const isCheck = process.argv.includes('--check');

/** The text of a file below the top of the repository; empty if there is no file. */
export const read = (path: string): string => (existsSync(join(top, path)) ? readFileSync(join(top, path), 'utf8') : '');

export function fail(message: string): void {
  process.stderr.write(`${message}\n`);
  process.exitCode = 1;
}

/** For a path that is out of date: calls `write`, or fails with `--check`. */
export function mend(path: string, write: () => void, why = ''): void {
  if (isCheck) {
    fail(`${path} is out of date; run \`pnpm fix\`. ${why}`.trimEnd());
    return;
  }
  mkdirSync(dirname(join(top, path)), { recursive: true });
  write();
  process.stdout.write(`wrote ${path}\n`);
}

/** Mends each of these files that differs. */
export function mendFiles(files: ReadonlyMap<string, string>): void {
  for (const [path, wanted] of files) {
    const difference = firstDifference(read(path), wanted);
    if (difference !== undefined) mend(path, () => writeFileSync(join(top, path), wanted), difference);
  }
}

/** The text with this content between its marks; undefined if it does not have both. */
export function between(text: string, [open, close]: readonly [open: string, close: string], content: string): string | undefined {
  const from = text.indexOf(open);
  const to = text.indexOf(close, from);
  return from < 0 || to < 0 ? undefined : text.slice(0, from + open.length) + content + text.slice(to);
}

/** The first line where two texts differ; undefined if they are the same. */
export function firstDifference(found: string, wanted: string): string | undefined {
  if (found === wanted) return undefined;
  const [was, is] = [found.split('\n'), wanted.split('\n')];
  const at = is.findIndex((line, index) => line !== was[index]);
  const line = at < 0 ? is.length : at;
  const show = (sign: string, text: string | undefined): string => (text === undefined ? '' : `\n  ${sign} ${text.slice(0, 160)}`);
  return `line ${line + 1}:${show('-', was[line])}${show('+', is[line])}`;
}
