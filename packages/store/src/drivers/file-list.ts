import { type Dirent, stat as statCallback } from 'node:fs';
import { opendir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { OnUnseen, StoredObject } from '../driver.ts';
import { compareKeys, isKey } from '../keys.ts';
import { inTheWay } from './in-the-way.ts';

/** Maximum number of names in memory. A larger folder is read once for each so many. */
const PAGE = 200_000;
/** Number of files whose lengths are read at a time. */
const LENGTHS = 64;

const lengthOf = promisify(statCallback);

/** What is listed of a folder. `prefix` and `after` are relative to it. */
interface Wanted {
  readonly root: string;
  /** Empty, or ends with a slash. */
  readonly folder: string;
  readonly prefix: string;
  readonly after: string;
  readonly page: number;
  /** Gets what cannot be opened. Without it, the listing ends there, but links are left out. */
  readonly onUnseen: OnUnseen | undefined;
}

export interface ListFolderOptions {
  readonly after?: string | undefined;
  readonly page?: number;
  readonly onUnseen?: OnUnseen | undefined;
}

/**
 * Objects below a folder, ordered by the bytes of the key. Folders that lie wholly before `after`,
 * or outside the prefix, are not opened.
 */
export async function* listFolder(
  root: string,
  prefix: string,
  options: ListFolderOptions = {},
): AsyncGenerator<StoredObject, void, undefined> {
  const { after = '', page = PAGE, onUnseen } = options;
  const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  const isInside = after.startsWith(folder);
  if (!isInside && compareKeys(after, folder) > 0) return;
  yield* walk({ root, folder, prefix: prefix.slice(folder.length), after: isInside ? after.slice(folder.length) : '', page, onUnseen });
}

async function* walk(wanted: Wanted): AsyncGenerator<StoredObject, void, undefined> {
  const { folder, prefix, after, page } = wanted;
  const below = (text: string, name: string): string => (text.startsWith(name) ? text.slice(name.length) : '');
  for (let from = ''; ; ) {
    const names = await smallest(wanted, from);
    for (let at = 0; at < names.length; at += LENGTHS) {
      const chunk = names.slice(at, at + LENGTHS);
      const lengths = await Promise.all(chunk.map((name) => look(wanted, name)));
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

/** Undefined for a folder, for a file that was removed meanwhile, and for what was reported. */
async function look({ root, folder, onUnseen }: Wanted, name: string): Promise<number | undefined> {
  if (name.endsWith('/')) return undefined;
  try {
    return (await lengthOf(join(root, folder, name))).size;
  } catch (error) {
    if (!isGone(error)) report(onUnseen, folder + name, error);
    return undefined;
  }
}

/** The first names behind `from`, in order. Folders end with a slash, as their keys sort so. */
async function smallest(wanted: Wanted, from: string): Promise<string[]> {
  const { prefix, after, page } = wanted;
  let names: string[] = [];
  let bound: string | undefined;
  for await (const entry of readFolder(wanted)) {
    if (!isKey(entry.name)) continue;
    const isFolder = entry.isFile() ? false : await leadsOn(entry, wanted);
    if (isFolder === undefined) continue;
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

async function* readFolder({ root, folder, onUnseen }: Wanted): AsyncGenerator<Dirent, void, undefined> {
  try {
    yield* await opendir(join(root, folder), { bufferSize: 1024 });
  } catch (error) {
    if (!isGone(error)) report(onUnseen, folder, error);
    else if (onUnseen && (await inTheWay(root, join(root, folder.replace(/\/$/, ''))))) onUnseen(folder, error);
  }
}

function isGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/**
 * A lack of the process passes, so it ends the listing, which is then retried. Any other error is a
 * fact about this file or folder.
 */
const processLimits = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EINTR']);

function report(onUnseen: OnUnseen | undefined, key: string, error: unknown): void {
  if (!onUnseen || processLimits.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
  onUnseen(key, error);
}

/** True for a folder, false for a link to a file, undefined for neither. */
async function leadsOn(entry: Dirent, { root, folder, onUnseen }: Wanted): Promise<boolean | undefined> {
  if (entry.isDirectory()) return true;
  try {
    const found = await stat(join(root, folder, entry.name));
    return found.isDirectory() ? true : found.isFile() ? false : undefined;
  } catch (error) {
    // A link whose target does not exist, such as a disk that is not mounted.
    if (entry.isSymbolicLink()) onUnseen?.(folder + entry.name, error);
    return undefined;
  }
}
