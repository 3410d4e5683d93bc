import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { BlockhubError } from '@blockhub/errors';

/** The folder of one embedded Blockhub: the bucket in `store/`, and beside it what only carries things there. */
export interface DataFolder {
  readonly path: string;
  readonly storeUrl: string;
  readonly brokerUrl: string;
  readonly registryUrl: string;
  release(): void;
}

/**
 * Takes the folder for this process alone. The lock is the operating system's, on a small SQLite file, so it is gone with the process
 * however that ends. Throws DATA_FOLDER_IN_USE or DATA_FOLDER_UNUSABLE.
 */
export function openDataFolder(folder: string): DataFolder {
  const path = resolve(folder);
  const pidFile = join(path, 'blockhub.pid');
  const lock = takeLock(path, pidFile);
  writeFileSync(pidFile, `${process.pid}\n`);
  return {
    path,
    storeUrl: pathToFileURL(join(path, 'store')).href,
    brokerUrl: `sqlite://${pathToFileURL(join(path, 'broker.sqlite')).pathname}`,
    registryUrl: `sqlite://${pathToFileURL(join(path, 'registry.sqlite')).pathname}`,
    release() {
      rmSync(pidFile, { force: true });
      lock.close();
    },
  };
}

function takeLock(path: string, pidFile: string): DatabaseSync {
  try {
    makeFolder(path);
    const lock = new DatabaseSync(join(path, 'blockhub.lock'));
    // The transaction stays open: it is the lock. The journal in memory leaves no second file behind.
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    if (/locked|busy/i.test((error as Error).message))
      throw new BlockhubError(
        'DATA_FOLDER_IN_USE',
        `Process ${readPid(pidFile)} works on ${path}; stop it, or choose another folder with --data.`,
        { cause: error },
      );
    throw new BlockhubError(
      'DATA_FOLDER_UNUSABLE',
      `Cannot write to ${path} (${(error as Error).message}); choose another folder with --data.`,
      { cause: error },
    );
  }
}

/** Not `recursive`: Node never comes back where the system answers ENOENT for a folder whose parent is there, as in /proc. */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  if (dirname(path) !== path) makeFolder(dirname(path));
  try {
    mkdirSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function readPid(pidFile: string): string {
  try {
    return readFileSync(pidFile, 'utf8').trim();
  } catch {
    return '(unknown)';
  }
}
