import { lstat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * What is at a path, or at a folder on the way to it, if nothing is found there: a broken link,
 * such as to a disk that is not mounted, or a file. Undefined if nothing is in the way, so that the
 * path is only absent.
 * @param root is not checked
 */
export async function inTheWay(root: string, path: string): Promise<'link' | 'file' | undefined> {
  for (let at = path; at.length > root.length; at = dirname(at)) {
    const there = await lstat(at).catch(() => undefined);
    if (there) return there.isSymbolicLink() ? 'link' : there.isDirectory() ? undefined : 'file';
  }
  return undefined;
}
