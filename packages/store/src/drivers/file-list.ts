import { type Dirent, stat as statCallback } from 'node:fs';
import { opendir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { StoredObject } from '../driver.ts';
import { compareKeys, isKey } from '../keys.ts';

/** Names of one folder held at a time, about 25 MB; a larger folder is read once for each so many names. */
const PAGE = 250_000;
/** Lengths asked for at a time. */
const LENGTHS = 64;

const lengthOf = promisify(statCallback);

interface Wanted {
  readonly root: string;
  readonly prefix: string;
  readonly after: string;
  readonly page: number;
}

/** Objects below a folder by bytes of the key. Folders that lie wholly before `after`, or off the prefix, are not opened. */
export function listFolder(root: string, prefix: string, after = '', page = PAGE): AsyncGenerator<StoredObject, void, undefined> {
  return walk(prefix.slice(0, prefix.lastIndexOf('/') + 1), { root, prefix, after, page });
}

/** `folder` is empty or ends with a slash. */
async function* walk(folder: string, wanted: Wanted): AsyncGenerator<StoredObject, void, undefined> {
  for (let from = ''; ; ) {
    const entries = await smallest(folder, from, wanted);
    for (let at = 0; at < entries.length; at += LENGTHS) {
      const chunk = entries.slice(at, at + LENGTHS);
      for (const found of await Promise.all(chunk.map((entry) => look(wanted.root, entry)))) {
        if (found.key.endsWith('/')) yield* walk(found.key, wanted);
        else if (found.length >= 0) yield found;
      }
    }
    if (entries.length < wanted.page) return;
    from = entries.at(-1) ?? '';
  }
}

/** Length −1 where the object is gone meanwhile; a folder has none. */
async function look(root: string, entry: string): Promise<StoredObject> {
  if (entry.endsWith('/')) return { key: entry, length: 0 };
  const found = await lengthOf(join(root, entry)).catch(goneMeanwhile);
  return { key: entry, length: found?.size ?? -1 };
}

/** The first entries of a folder behind `from`, in order; folders have a slash at the end, which is where their keys sort. */
async function smallest(folder: string, from: string, wanted: Wanted): Promise<string[]> {
  let entries: string[] = [];
  let bound = '';
  for await (const entry of readFolder(join(wanted.root, folder))) {
    const isFolder = await leadsOn(entry, join(wanted.root, folder));
    const key = isFolder ? `${folder}${entry.name}/` : folder + entry.name;
    if (!isKey(entry.name) || isFolder === undefined) continue;
    if (!(isFolder ? meets(key, wanted) : key.startsWith(wanted.prefix) && compareKeys(key, wanted.after) > 0)) continue;
    if ((from !== '' && compareKeys(key, from) <= 0) || (bound !== '' && compareKeys(key, bound) >= 0)) continue;
    if (entries.push(key) < 2 * wanted.page) continue;
    entries = entries.sort(compareKeys).slice(0, wanted.page);
    bound = entries.at(-1) ?? '';
  }
  return entries.sort(compareKeys).slice(0, wanted.page);
}

/** Whether a folder may hold something wanted. */
function meets(key: string, { prefix, after }: Wanted): boolean {
  return (key.startsWith(prefix) || prefix.startsWith(key)) && (compareKeys(key, after) > 0 || after.startsWith(key));
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

/** True for a folder, false for a file, undefined for neither; links are followed. */
async function leadsOn(entry: Dirent, folder: string): Promise<boolean | undefined> {
  if (entry.isFile()) return false;
  if (entry.isDirectory()) return true;
  const found = await stat(join(folder, entry.name)).catch(() => undefined);
  return found?.isDirectory() ? true : found?.isFile() ? false : undefined;
}
