import { BlockhubError, type ErrorCode, GOES_ON } from '@blockhub/errors';

/** SQLite's primary result codes, https://sqlite.org/rescode.html */
export const result = { busy: 5, locked: 6, readOnly: 8, ioError: 10, corrupt: 11, full: 13, cannotOpen: 14, notADatabase: 26 };
const damaged: readonly number[] = [result.corrupt, result.notADatabase];
const unwritable: readonly number[] = [result.readOnly, result.cannotOpen];

export const primaryCode = (error: unknown): number =>
  (((error as { errcode?: unknown } | null)?.errcode as number | undefined) ?? 0) & 0xff;

const held = `Find the process that holds the file (fuser, lsof) and end it, or give each process its own file. ${GOES_ON}`;
const unreadable = `Check the kernel log (dmesg) and the disk, and mount a network share again. ${GOES_ON}`;
const rights = 'Mount the disk for reading and writing, and give the user of this process the right to write to the file and its folder.';

const faults: Readonly<Record<number, readonly [ErrorCode, what: string, fix: string]>> = {
  [result.busy]: ['REGISTRY_UNAVAILABLE', 'is held by another process', held],
  [result.locked]: ['REGISTRY_UNAVAILABLE', 'is held by another process', held],
  [result.ioError]: ['REGISTRY_UNAVAILABLE', 'cannot be read or written', unreadable],
  [result.cannotOpen]: ['REGISTRY_UNAVAILABLE', 'cannot be opened', unreadable],
  [result.full]: [
    'REGISTRY_FULL',
    'has no space left',
    `Free space on its disk or raise its quota. Check inodes too (df -h, df -i). ${GOES_ON}`,
  ],
  [result.readOnly]: ['REGISTRY_READ_ONLY', 'may not be written', `${rights} ${GOES_ON}`],
};

/** Turns an error of SQLite into one that the caller can act on. */
export function explain(error: unknown, path: string): unknown {
  if (error instanceof BlockhubError) return error;
  const code = primaryCode(error);
  if (damaged.includes(code)) return corrupt(path, error);
  const fault = faults[code];
  if (!fault) return error;
  const [becomes, what, fix] = fault;
  return new BlockhubError(becomes, `the registry ${path} ${what}: ${(error as Error).message}`, { cause: error, details: { path }, fix });
}

/** As `explain`, for opening: if the file cannot be written then, it cannot be written later. */
export function explainOpen(error: unknown, path: string): unknown {
  if (!unwritable.includes(primaryCode(error))) return explain(error, path);
  const message = `the registry ${path} cannot be opened for writing`;
  return new BlockhubError('DATA_FOLDER_UNUSABLE', message, { cause: error, details: { path }, fix: rights });
}

export const corrupt = (path: string, cause: unknown): BlockhubError =>
  new BlockhubError(
    'REGISTRY_CORRUPT',
    `the registry ${path} is damaged: delete it, with ${path}-wal and ${path}-shm. It is rebuilt from the store`,
    { cause, details: { path } },
  );
