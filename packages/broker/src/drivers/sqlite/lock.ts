import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { BlockhubError } from '@blockhub/errors';
import { primaryCode } from './file.ts';

/** Something that one process has for itself. */
export interface Lock {
  release(): void;
}

/** SQLite's primary result code, https://sqlite.org/rescode.html */
const BUSY = 5;

/**
 * Takes `{path}.lock`. The lock is the operating system's, on an empty SQLite file: it works alike on every system, and is gone with the process
 * however that ends. `{path}.pid` holds the number of the process, for people.
 *
 * @throws what `inUse` makes of the number of the process that has it; errors of the file system as they come
 */
export function takeLock(path: string, inUse: (pid: string, cause: unknown) => BlockhubError): Lock {
  const pidFile = `${path}.pid`;
  const lock = new DatabaseSync(`${path}.lock`);
  try {
    // The transaction stays open: it is the lock. Nothing is ever written, so the file cannot be damaged, and with its journal in memory it stays alone.
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN IMMEDIATE');
  } catch (error) {
    lock.close();
    throw primaryCode(error) === BUSY ? inUse(readPid(pidFile), error) : error;
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

function writePid(file: string): void {
  try {
    writeFileSync(file, `${process.pid}\n`);
  } catch {
    // On a full disk the lock is worth as much without it.
  }
}

function readPid(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim() || '(unknown)';
  } catch {
    return '(unknown)';
  }
}
