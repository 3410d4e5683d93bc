import { type Dirent, stat as statCallback } from 'node:fs';
import { opendir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { StoredObject } from '../driver.ts';
import { compareKeys, isKey } from '../keys.ts';

/** Names of one folder held at a time; a larger folder is read once for each so many names. */
const PAGE = 200_000;
/** Lengths asked for at a time. */
const LENGTHS = 64;

const lengthOf = promisify(statCallback);

/** What is wanted of a folder; prefix and after are relative to it. */
interface Wanted {
  readonly root: string;
  /** Empty, or ends with a slash. */
  readonly folder: string;
  readonly prefix: string;
  readonly after: string;
  readonly page: number;
}

/** Objects below a folder by bytes of the key. Folders that lie wholly before `after`, or off the prefix, are not opened. */
export function listFolder(root: string, prefix: string, after = '', page = PAGE): AsyncGenerator<StoredObject, void, undefined> {
  const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  if (!after.startsWith(folder)) return compareKeys(after, folder) < 0 ? listFolder(root, prefix, folder, page) : nothing();
  return walk({ root, folder, prefix: prefix.slice(folder.length), after: after.slice(folder.length), page });
}

async function* nothing(): AsyncGenerator<StoredObject, void, undefined> {
  // All of the folder lies before `after`.
}

async function* walk(wanted: Wanted): AsyncGenerator<StoredObject, void, undefined> {
  const { folder, prefix, after, page } = wanted;
  const below = (text: string, name: string): string => (text.startsWith(name) ? text.slice(name.length) : '');
  for (let from = ''; ; ) {
    const names = await smallest(wanted, from);
    for (let at = 0; at < names.length; at += LENGTHS) {
      const chunk = names.slice(at, at + LENGTHS);
      const lengths = await Promise.all(chunk.map((name) => look(join(wanted.root, folder, name))));
      for (const [index, name] of chunk.entries()) {
        const length = lengths[index];
        if (name.endsWith('/')) yield* walk({ ...wanted, folder: folder + name, prefix: below(prefix, name), after: below(after, name) });
        else if (length !== undefined) yield { key: folder + name, length };
      }
    }
    if (names.length < page) return;
    from = names.at(-1) ?? '';
  }
}

/** Undefined for a folder and for what is gone meanwhile. */
async function look(path: string): Promise<number | undefined> {
  return path.endsWith('/') ? undefined : (await lengthOf(path).catch(goneMeanwhile))?.size;
}

/** The first names of a folder behind `from`, in order; folders have a slash at the end, which is where their keys sort. */
async function smallest({ root, folder, prefix, after, page }: Wanted, from: string): Promise<string[]> {
  const path = join(root, folder);
  let names: string[] = [];
  let bound: string | undefined;
  for await (const entry of readFolder(path)) {
    const isFolder = entry.isFile() ? false : await leadsOn(entry, path);
    if (isFolder === undefined || !isKey(entry.name)) continue;
    const name = isFolder ? `${entry.name}/` : entry.name;
    if (!name.startsWith(prefix) && !(isFolder && prefix.startsWith(name))) continue;
    if (compareKeys(name, after) <= 0 && !(isFolder && after.startsWith(name))) continue;
    if (compareKeys(name, from) <= 0 || (bound !== undefined && compareKeys(name, bound) >= 0)) continue;
    if (names.push(name) < 2 * page) continue;
    names = names.sort(compareKeys).slice(0, page);
    bound = names.at(-1);
  }
  return names.sort(compareKeys).slice(0, page);
}

async function* readFolder(path: string): AsyncGenerator<Dirent, void, undefined> {
  try {
    yield* await opendir(path, { bufferSize: 1024 });
  } catch (error) {
    goneMeanwhile(error);
  }
}

function goneMeanwhile(error: unknown): undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
}

/** True for a folder, false for a link to a file, undefined for neither. */
async function leadsOn(entry: Dirent, folder: string): Promise<boolean | undefined> {
  if (entry.isDirectory()) return true;
  const found = await stat(join(folder, entry.name)).catch(() => undefined);
  return found?.isDirectory() ? true : found?.isFile() ? false : undefined;
}
