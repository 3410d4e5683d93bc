import { constants, type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { BlockhubError } from '@blockhub/errors';
import { type Lock, takeLock } from '@blockhub/lock';

/** A locked folder of append-only files. Methods throw the errors of the file system. */
export interface SpoolDisk {
  list(): Promise<{ readonly name: string; readonly bytes: number }[]>;
  /** Creates an empty file. Its name is durable when this resolves. */
  create(name: string): Promise<SpoolFile>;
  read(name: string, from: number, to: number): Promise<Buffer>;
  rename(from: string, to: string): Promise<void>;
  remove(name: string): Promise<void>;
  /** Unlocks the folder for another process. */
  release(): void;
}

export interface SpoolFile {
  /** After an error it is unknown how much was written. */
  append(parts: readonly Buffer[]): Promise<void>;
  /**
   * Resolves when all bytes are durable. After an error they may not be, even if a later sync
   * succeeds.
   */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Creates a missing folder, but not its parent: the folder of a volume that is not mounted must not
 * be created on another disk. @throws SPOOL_IN_USE, SPOOL_UNUSABLE
 */
export async function openFolder(folder: string): Promise<SpoolDisk> {
  const path = resolve(folder);
  const lock = await lockFolder(path);
  const within = (name: string): string => join(path, name);
  return {
    async list() {
      const names = (await readdir(path, { withFileTypes: true })).filter((entry) => entry.isFile()).map(({ name }) => name);
      return Promise.all(names.map(async (name) => ({ name, bytes: (await stat(within(name))).size })));
    },
    async create(name) {
      const file = await open(within(name), 'wx');
      try {
        await syncFolder(path);
      } catch (error) {
        await file.close();
        await rm(within(name), { force: true });
        throw error;
      }
      return spoolFile(file);
    },
    async read(name, from, to) {
      const file = await open(within(name));
      try {
        const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(to - from), 0, to - from, from);
        return buffer.subarray(0, bytesRead);
      } finally {
        await file.close();
      }
    },
    rename: (from, to) => rename(within(from), within(to)),
    remove: (name) => rm(within(name), { force: true }),
    release: () => lock.release(),
  };
}

function spoolFile(file: FileHandle): SpoolFile {
  let end = 0;
  return {
    async append(parts) {
      const bytes = parts.reduce((sum, { length }) => sum + length, 0);
      const { bytesWritten } = await file.writev([...parts], end);
      // A full file system writes what it can, and fails at the next write only.
      if (bytesWritten < bytes) throw Object.assign(new Error(`only ${bytesWritten} of ${bytes} bytes were written`), { code: 'ENOSPC' });
      end += bytes;
    },
    sync: () => file.datasync(),
    close: () => file.close(),
  };
}

/** The name of a new file is durable only after a sync of its folder. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Without a sync of its parent a new folder may be lost when the power fails. */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return;
    throw error;
  }
  await syncFolder(dirname(path));
}

async function lockFolder(path: string): Promise<Lock> {
  try {
    await makeFolder(path);
    const lock = takeLock(join(path, 'spool'), (pid, cause) => {
      const message = `Process ${pid} uses the spool ${path}.`;
      return new BlockhubError('SPOOL_IN_USE', message, { cause, details: { field: 'spool' } });
    });
    await tryWriting(path).catch((error: unknown) => {
      lock.release();
      throw error;
    });
    return lock;
  } catch (error) {
    if (error instanceof BlockhubError) throw error;
    const message = `--spool: ${path} cannot be written (${(error as Error).message}).`;
    throw new BlockhubError('SPOOL_UNUSABLE', message, { cause: error, details: { field: 'spool' } });
  }
}

/**
 * An old lock file can be locked in a folder that is not writable, so a file is written too. A full
 * disk is accepted, because its spool must be drained.
 */
async function tryWriting(path: string): Promise<void> {
  const probe = join(path, 'probe');
  try {
    const file = await open(probe, 'w');
    try {
      await file.write('spool');
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    if (!isFull(error)) throw error;
  }
  await rm(probe, { force: true });
}

export const isFull = (error: unknown): boolean => ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(String((error as { code?: unknown })?.code));
