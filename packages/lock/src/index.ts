import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

export interface Lock {
  release(): void;
}

/** SQLite's primary result code, https://sqlite.org/rescode.html */
const BUSY = 5;

/**
 * Takes `{path}.lock`: a lock of the operating system on an empty SQLite file. It works the same on
 * every system, and ends with the process, even a killed one. `{path}.pid` has the process number,
 * for operators.
 * @param inUse makes the error if the process with the number `pid` holds the lock
 * @throws errors of the file system, unchanged
 */
export function takeLock(path: string, inUse: (pid: string, cause: unknown) => Error): Lock {
  const pidFile = `${path}.pid`;
  const lock = new DatabaseSync(`${path}.lock`);
  try {
    // The open transaction is the lock. It writes nothing: no damage, and no journal file.
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN IMMEDIATE');
  } catch (error) {
    lock.close();
    throw isBusy(error) ? inUse(readPid(pidFile), error) : error;
  }
  writePid(pidFile);
  return {
    release() {
      try {
        rmSync(pidFile, { force: true });
      } finally {
        lock.close();
      }
    },
  };
}

const isBusy = (error: unknown): boolean => (Number((error as { errcode?: unknown }).errcode) & 0xff) === BUSY;

function writePid(file: string): void {
  try {
    writeFileSync(file, `${process.pid}\n`);
  } catch {
    // The lock holds without this file, for example on a full disk.
  }
}

function readPid(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim() || '(unknown)';
  } catch {
    return '(unknown)';
  }
}
