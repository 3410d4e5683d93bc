import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as wait } from 'node:timers/promises';
import { Cache } from '@blockhub/cache';
import { BlockhubError } from '@blockhub/errors';
import { checkHeight, checkRecord } from './check.ts';
import { PendingHints } from './pending-hints.ts';
import type { ChainRecord, ClaimTimes, Registry } from './registry.ts';
import { corrupt, explain, explainOpen, primaryCode, result } from './sqlite-fault.ts';

const openTimeoutMs = 5000;
/**
 * How long a change waits for another connection's transaction. It waits between tries and not
 * inside SQLite, because the transaction may be of this thread.
 */
const busyTimeoutMs = 5000;
const busyPauseMs = 10;
/** Ended claims that each new claim deletes. More than one, so that their number shrinks. */
const claimsSwept = 4;
const maxCached = 10_000;
const pageOfChains = 500;

/**
 * Tables have a prefix, because the file may be shared. Everything here can be rebuilt, or may be
 * lost in a power failure, so NORMAL is safe enough.
 */
const schema = `
  CREATE TABLE IF NOT EXISTS registry_chains (id TEXT PRIMARY KEY, name TEXT UNIQUE, crypt TEXT NOT NULL, settings TEXT NOT NULL, time INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS registry_hints (chain TEXT PRIMARY KEY, height INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS registry_claims (key TEXT PRIMARY KEY, value TEXT NOT NULL, ends INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS registry_claims_ends ON registry_claims (ends);
`;

const unavailable = (path: string, what: string, cause?: unknown): BlockhubError =>
  new BlockhubError('REGISTRY_UNAVAILABLE', `the registry ${path} ${what}`, { cause, details: { path } });

type Statements = ReturnType<typeof prepare>;

function prepare(database: DatabaseSync) {
  return {
    chain: database.prepare('SELECT * FROM registry_chains WHERE id = ?1 UNION ALL SELECT * FROM registry_chains WHERE name = ?1 LIMIT 1'),
    page: database.prepare(`SELECT * FROM registry_chains WHERE id > ? ORDER BY id LIMIT ${pageOfChains}`),
    freeName: database.prepare('UPDATE registry_chains SET name = NULL WHERE name = ? AND id <> ?'),
    putChain: database.prepare('INSERT OR REPLACE INTO registry_chains (id, name, crypt, settings, time) VALUES (?, ?, ?, ?, ?)'),
    hint: database.prepare('SELECT height FROM registry_hints WHERE chain = ?'),
    putHint: database.prepare(
      'INSERT INTO registry_hints (chain, height) VALUES (?1, ?2) ON CONFLICT (chain) DO UPDATE SET height = ?2 WHERE height < ?2',
    ),
    sweepClaims: database.prepare(
      `DELETE FROM registry_claims WHERE key IN (SELECT key FROM registry_claims WHERE ends <= ? ORDER BY ends LIMIT ${claimsSwept})`,
    ),
    findClaim: database.prepare('SELECT value FROM registry_claims WHERE key = ? AND ends > ?'),
    putClaim: database.prepare('INSERT OR REPLACE INTO registry_claims (key, value, ends) VALUES (?, ?, ?)'),
    replaceClaim: database.prepare('UPDATE registry_claims SET value = ? WHERE key = ?'),
  };
}

/** A registry in an SQLite file, which other tables and processes may share. */
export class SqliteRegistry implements Registry {
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #statements: Statements;
  /** Records by id and by name, but no misses, because another process may create the chain. */
  readonly #cache = new Cache<string, ChainRecord>(maxCached);
  readonly #hints = new PendingHints((hints) =>
    this.#change(() => {
      for (const [chain, height] of hints) this.#statements.putHint.run(chain, height);
    }, true),
  );
  #closed = false;

  private constructor(path: string, database: DatabaseSync, statements: Statements) {
    this.#path = path;
    this.#database = database;
    this.#statements = statements;
  }

  /**
   * @throws REGISTRY_URL_INVALID if the folder is missing, REGISTRY_CORRUPT, REGISTRY_UNAVAILABLE,
   * DATA_FOLDER_UNUSABLE
   */
  static open(path: string): SqliteRegistry {
    const folder = dirname(path);
    if (!existsSync(folder)) {
      throw new BlockhubError('REGISTRY_URL_INVALID', `the folder ${folder} of the registry does not exist: create it or correct the URL`, {
        details: { path },
      });
    }
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(path, { timeout: openTimeoutMs });
      database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
      database.exec(schema);
      for (const table of ['registry_chains', 'registry_hints', 'registry_claims']) {
        const found = database.prepare(`PRAGMA quick_check(${table})`).get() as { quick_check?: unknown } | undefined;
        if (found?.quick_check !== 'ok') throw corrupt(path, found?.quick_check);
      }
      const statements = prepare(database);
      database.exec('PRAGMA busy_timeout = 0');
      return new SqliteRegistry(path, database, statements);
    } catch (error) {
      database?.close();
      throw explainOpen(error, path);
    }
  }

  async findChain(nameOrId: string): Promise<ChainRecord | undefined> {
    const known = this.#cache.get(nameOrId);
    if (known) return known;
    const row = this.#read(() => this.#statements.chain.get(nameOrId));
    if (!row) return undefined;
    const record = this.#record(row);
    this.#remember(record);
    return record;
  }

  async putChain(record: ChainRecord): Promise<void> {
    const { id, name, crypt, settings, time } = checkRecord(record);
    await this.#change(() => {
      if (name !== undefined) this.#statements.freeName.run(name, id);
      this.#statements.putChain.run(id, name ?? null, crypt, JSON.stringify(settings), time);
    });
    this.#cache.clear();
  }

  async *chains(): AsyncIterable<ChainRecord> {
    for (let after = ''; ; ) {
      const rows = this.#read(() => this.#statements.page.all(after));
      for (const row of rows) {
        const record = this.#record(row);
        after = record.id;
        yield record;
      }
      if (rows.length < pageOfChains) return;
    }
  }

  async findHint(chain: string): Promise<number | undefined> {
    const row = this.#read(() => this.#statements.hint.get(chain)) as { height: number } | undefined;
    return this.#hints.greatest(chain, row?.height);
  }

  async putHint(chain: string, height: number): Promise<void> {
    checkHeight(height);
    this.#checkOpen();
    this.#hints.put(chain, height);
  }

  async claim(key: string, value: string, { now, until }: ClaimTimes): Promise<string> {
    let holds = value;
    await this.#change(() => {
      const there = this.#statements.findClaim.get(key, now) as { value: string } | undefined;
      if (there) {
        holds = there.value;
        return;
      }
      this.#statements.sweepClaims.run(now);
      this.#statements.putClaim.run(key, value, until);
    });
    return holds;
  }

  async replaceClaim(key: string, value: string): Promise<void> {
    await this.#change(() => this.#statements.replaceClaim.run(value, key));
  }

  async check(): Promise<void> {
    this.#checkOpen();
    // Nothing is written, so a full disk is found only at the first call that needs space.
    await this.#transaction(() => this.#statements.putHint.run('', 0), 'ROLLBACK');
  }

  async wipe(): Promise<void> {
    this.#hints.clear();
    await this.#change(() => this.#database.exec('DELETE FROM registry_chains; DELETE FROM registry_hints; DELETE FROM registry_claims;'));
    this.#cache.clear();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#hints.close();
    this.#database.close();
  }

  #checkOpen(): void {
    if (this.#closed) throw unavailable(this.#path, 'is closed');
  }

  #read<T>(read: () => T): T {
    this.#checkOpen();
    try {
      return read();
    } catch (error) {
      throw explain(error, this.#path);
    }
  }

  async #change(change: () => void, closing = false): Promise<void> {
    if (!closing) this.#checkOpen();
    await this.#transaction(change, 'COMMIT');
  }

  /** Runs synchronous changes in one transaction. Waits for others without blocking the thread. */
  async #transaction(change: () => void, end: 'COMMIT' | 'ROLLBACK'): Promise<void> {
    for (let waited = 0; ; waited += busyPauseMs) {
      try {
        this.#database.exec('BEGIN IMMEDIATE');
        break;
      } catch (error) {
        if (primaryCode(error) !== result.busy || waited >= busyTimeoutMs) throw explain(error, this.#path);
        await wait(busyPauseMs);
      }
    }
    try {
      change();
      this.#database.exec(end);
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw explain(error, this.#path);
    }
  }

  /** @throws REGISTRY_CORRUPT if the row is not what was written */
  #record(row: Record<string, unknown>): ChainRecord {
    try {
      const { name, settings, ...rest } = row as unknown as Omit<ChainRecord, 'name' | 'settings'> & {
        name: string | null;
        settings: string;
      };
      return checkRecord({ ...rest, ...(name === null ? {} : { name }), settings: JSON.parse(settings) });
    } catch (error) {
      throw corrupt(this.#path, error);
    }
  }

  #remember(record: ChainRecord): void {
    for (const key of record.name === undefined ? [record.id] : [record.id, record.name]) this.#cache.set(key, record);
  }
}
