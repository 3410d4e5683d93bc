import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BlockhubError } from '@blockhub/errors';
import { type Lock, takeLock } from '@blockhub/lock';

/** The folder of an embedded Blockhub: the bucket in `store/`, queues and registry beside it. */
export interface DataFolder {
  readonly path: string;
  readonly storeUrl: string;
  readonly brokerUrl: string;
  readonly registryUrl: string;
  release(): void;
}

/** Makes and locks the folder. @throws DATA_FOLDER_IN_USE, DATA_FOLDER_UNUSABLE */
export function openDataFolder(folder: string): DataFolder {
  const path = resolve(folder);
  const lock = lockFolder(path);
  return {
    path,
    storeUrl: pathToFileURL(join(path, 'store')).href,
    brokerUrl: `sqlite://${pathToFileURL(join(path, 'broker.sqlite')).pathname}`,
    registryUrl: `sqlite://${pathToFileURL(join(path, 'registry.sqlite')).pathname}`,
    release: () => lock.release(),
  };
}

function lockFolder(path: string): Lock {
  try {
    makeFolder(path);
    return takeLock(join(path, 'blockhub'), (pid, cause) => {
      const message = `Process ${pid} works on ${path}.`;
      return new BlockhubError('DATA_FOLDER_IN_USE', message, { cause });
    });
  } catch (error) {
    if (error instanceof BlockhubError) throw error;
    const message = `Cannot write to ${path} (${(error as Error).message}).`;
    throw new BlockhubError('DATA_FOLDER_UNUSABLE', message, { cause: error });
  }
}

/** Not `recursive`: that never returns if the system gives ENOENT in an existing parent (/proc). */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  if (dirname(path) !== path) makeFolder(dirname(path));
  try {
    mkdirSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
