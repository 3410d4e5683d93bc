import { lstat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * What lies where a path, or a folder on the way to it, should be, when nothing is found there: a link that leads nowhere, such as to a disk
 * that is not mounted, or a file. Undefined where nothing is in the way, so that the path is only absent.
 * @param root is not looked at
 */
export async function inTheWay(root: string, path: string): Promise<'link' | 'file' | undefined> {
  for (let at = path; at.length > root.length; at = dirname(at)) {
    const there = await lstat(at).catch(() => undefined);
    if (there) return there.isSymbolicLink() ? 'link' : there.isDirectory() ? undefined : 'file';
  }
  return undefined;
}
