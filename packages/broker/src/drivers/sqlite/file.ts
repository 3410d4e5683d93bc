import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { BlockhubError, diskFault, GOES_ON } from '@blockhub/errors';

/** How long to wait, with the event loop blocked, for the transaction of another process. */
const BUSY_MS = 2_000;
/** Files up to this size are checked at opening (0.2 s), larger ones only as they are read. */
const CHECKED_BYTES = 256 * 1024 * 1024;

/** The writer makes publishes durable (see LogSync). A checkpoint has a sync of its own. */
const pragmas = `
  PRAGMA synchronous = NORMAL;
  PRAGMA wal_autocheckpoint = 4000;
  PRAGMA journal_size_limit = 67108864;
`;

/** Raise it with each change of the tables that another version would read wrongly. */
const FORMAT = 1;

/** Every transaction updates `messages` and `bytes`, so that no read counts a million rows. */
const schema = `
  CREATE TABLE IF NOT EXISTS broker_queues (
    number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, single_active INTEGER NOT NULL,
    max_messages INTEGER, max_bytes INTEGER, messages INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0
  );
  CREATE TABLE IF NOT EXISTS broker_time (number INTEGER PRIMARY KEY, ms INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS broker_probe (number INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
  CREATE TABLE IF NOT EXISTS broker_format (version INTEGER NOT NULL);
  INSERT INTO broker_format SELECT ${FORMAT} WHERE NOT EXISTS (SELECT * FROM broker_format);
`;

/** Primary result codes, https://sqlite.org/rescode.html */
const PERM = 3;
const READONLY = 8;
const CORRUPT = 11;
const CANTOPEN = 14;
const NOTADB = 26;
const [BUSY, LOCKED, IOERR, FULL] = [5, 6, 10, 13];

const held = `Find the process that holds the file (fuser, lsof) and end it: only one process may use an SQLite broker. ${GOES_ON}`;
const rights = 'Mount the disk for reading and writing, and give the user of this process the right to write to the file and its folder.';
const disk = `Look at the kernel log (dmesg) and at the disk, and mount a network share again. ${GOES_ON}`;

/** By primary result code. */
const fixes: Readonly<Record<number, string>> = {
  [PERM]: rights,
  [BUSY]: held,
  [LOCKED]: held,
  [READONLY]: `${rights} ${GOES_ON}`,
  [IOERR]: disk,
  [CANTOPEN]: disk,
  [FULL]: `Free space on its disk or raise its quota; look at inodes too (df -h, df -i). ${GOES_ON}`,
};

const primaryCode = (error: unknown): number => {
  const extended = (error as { errcode?: unknown } | null)?.errcode;
  return typeof extended === 'number' ? extended & 0xff : 0;
};

/** BROKER_CORRUPT if the file is damaged, else BROKER_UNAVAILABLE (full, busy, read-only, I/O). */
export function brokerError(path: string, cause: unknown): BlockhubError {
  if (cause instanceof BlockhubError) return cause;
  const options = { cause, details: { path } };
  const code = primaryCode(cause);
  if (code === CORRUPT || code === NOTADB)
    return new BlockhubError('BROKER_CORRUPT', `${path} is damaged: move it away and start again`, options);
  const why = cause instanceof Error ? cause.message : String(cause);
  const text = `${path} cannot be read or written: ${why}`;
  return new BlockhubError('BROKER_UNAVAILABLE', text, { ...options, fix: fixes[code] ?? diskFault(cause, { setting: '--data' })?.fix });
}

/** As `brokerError`, but DATA_FOLDER_UNUSABLE for a missing permission: that does not pass. */
export function openError(path: string, cause: unknown): BlockhubError {
  if (![READONLY, CANTOPEN, PERM].includes(primaryCode(cause))) return brokerError(path, cause);
  return new BlockhubError('DATA_FOLDER_UNUSABLE', `${path} cannot be opened for writing`, { cause, details: { path }, fix: rights });
}

export interface FileOptions {
  /** Size limit of the file. At the limit, writes fail as on a full disk. */
  readonly fileBytes?: number | undefined;
}

/** Throws the errors of `openSqliteBroker`, else BROKER_UNAVAILABLE. */
export function openFile(path: string, { fileBytes }: FileOptions): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { timeout: BUSY_MS });
    writeAhead(db, path);
    db.exec(pragmas);
    checkFile(db, path);
    // Everything above succeeds also if the file or its folder cannot be written.
    db.exec(`BEGIN IMMEDIATE; ${schema}`);
    checkFormat(db, path);
    db.exec('COMMIT');
    if (fileBytes !== undefined) db.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(fileBytes / pageSize(db)))}`);
    return db;
  } catch (error) {
    db?.close();
    throw openError(path, error);
  }
}

const pageSize = (db: DatabaseSync): number => Number(db.prepare('PRAGMA page_size').get()?.page_size);

function checkFile(db: DatabaseSync, path: string): void {
  if (statSync(path).size > CHECKED_BYTES) return;
  const found = db.prepare('PRAGMA quick_check(1)').get()?.quick_check;
  if (found === 'ok') return;
  throw new BlockhubError('BROKER_CORRUPT', `${path} is damaged: move it away and start again`, { details: { path, found } });
}

/** Confirms need the log. If SQLite cannot have one, it gives no error. BROKER_UNSAFE */
function writeAhead(db: DatabaseSync, path: string): void {
  const mode = db.prepare('PRAGMA journal_mode = WAL').get()?.journal_mode;
  if (mode === 'wal') return;
  throw new BlockhubError('BROKER_UNSAFE', `${path} cannot have a write-ahead log, its journal mode is ${mode}`, {
    details: { path, mode },
  });
}

function checkFormat(db: DatabaseSync, path: string): void {
  const version = db.prepare('SELECT max(version) AS version FROM broker_format').get()?.version;
  if (version === FORMAT) return;
  const message = `${path} has format ${version}, this version reads ${FORMAT}`;
  throw new BlockhubError('BROKER_FORMAT_UNKNOWN', message, { details: { path, version } });
}
