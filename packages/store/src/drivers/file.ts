import { randomBytes } from 'node:crypto';
import { constants, readFile } from 'node:fs';
import { link, mkdir, open, readdir, rename, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { Cache } from '@blockhub/cache';
import type { Clock } from '@blockhub/clock';
import { BlockhubError, diskFault, type FaultKind } from '@blockhub/errors';
import type { Advice, ByteRange, FailureClass, OnUnseen, StoreDriver, StoredObject } from '../driver.ts';
import { listFolder } from './file-list.ts';
import { FolderSync } from './folder-sync.ts';
import { inTheWay } from './in-the-way.ts';

/** Takes a third of the CPU time of `readFile` with promises. A walk calls it for each block. */
const readWhole = promisify(readFile);
/** Another program's file may be a pipe, and opening a pipe waits for a writer. */
const READ = constants.O_RDONLY | constants.O_NONBLOCK;
/** Node accepts a number here too, but its types do not. */
const READ_OPTIONS = { flag: READ as unknown as string };

const TEMPORARY = '.tmp';
/** No running write uses a temporary file this old. If one does, its link fails, and it retries. */
const STALE_MS = 60 * 60 * 1000;
/** Maximum number of folders that are known to be durable. */
const MAX_FOLDERS = 20_000;
/** An empty folder is removed, so a folder may vanish between its making and its use. */
const FOLDER_TRIES = 5;

/**
 * Objects as plain files. The key is the path below the root. A write goes to a temporary file, is
 * made durable, and gets its final name by `link`, which fails if the name exists. So other
 * programs see whole objects or none, however many processes write.
 * @throws STORE_URL_INVALID if the root is not a folder
 */
export async function openFileDriver(path: string, options: { clock: Clock }): Promise<StoreDriver> {
  const root = resolve(path);
  const there = await stat(root).catch((error: unknown) => notThereYet(error, root));
  if (there && !there.isDirectory()) throw new BlockhubError('STORE_URL_INVALID', `store URL: ${root} is not a folder`);
  await removeLeftOvers(join(root, TEMPORARY), options.clock.now() - STALE_MS);
  return new FileDriver(root, there && identityOf(there));
}

/** Best effort: a folder that is read-only has no temporary files of ours. */
async function removeLeftOvers(folder: string, beforeMs: number): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const file = join(folder, name);
    const found = await stat(file).catch(() => undefined);
    if (found?.isFile() && found.mtimeMs < beforeMs) await unlink(file).catch(() => undefined);
  }
}

class FileDriver implements StoreDriver {
  readonly #root: string;
  readonly #sync = new FolderSync();
  readonly #folders = new Cache<string, Promise<void>>(MAX_FOLDERS);
  /** Makes the names of temporary files unique, also among containers, where process ids repeat. */
  readonly #owner = randomBytes(8).toString('hex');
  #written = 0;
  /**
   * Which folder the root is; undefined until it exists. After a volume is unmounted, another
   * folder is at the same path, empty or old. What is written there is lost to the chains, and what
   * is missing there says nothing about them.
   */
  #identity: string | undefined;

  constructor(root: string, identity: string | undefined) {
    this.#root = root;
    this.#identity = identity;
  }

  async get(key: string, range?: ByteRange): Promise<Buffer | undefined> {
    const path = join(this.#root, key);
    try {
      return range ? await readRange(path, range) : await readWhole(path, READ_OPTIONS);
    } catch (error) {
      nothingThere(error);
      await refuseLink(this.#root, path);
      return this.#checkRoot();
    }
  }

  async head(key: string): Promise<{ length: number } | undefined> {
    const path = join(this.#root, key);
    const found = await stat(path).catch(nothingThere);
    if (found?.isFile()) return { length: found.size };
    if (!found) await refuseLink(this.#root, path);
    return this.#checkRoot();
  }

  async create(key: string, bytes: Uint8Array): Promise<boolean> {
    const path = join(this.#root, key);
    const temporary = await this.#writeTemporary(bytes);
    const linked = this.#inFolder(dirname(path), () => link(temporary, path).then(yes, noIfTaken));
    const removed = linked.catch(no).then(() => unlink(temporary).catch(no));
    const created = await linked;
    if (!created && (await stat(path)).isDirectory()) throw folderAt(key);
    // A loser syncs too: the winner may have died before its sync, and the loser's caller relies on
    // the object.
    await this.#sync.sync(dirname(path));
    await removed;
    await this.#checkRoot();
    return created;
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    const path = join(this.#root, key);
    const temporary = await this.#writeTemporary(bytes);
    try {
      await this.#inFolder(dirname(path), () => rename(temporary, path));
    } catch (error) {
      await unlink(temporary).catch(() => undefined);
      throw codeOf(error) === 'EISDIR' ? folderAt(key) : error;
    }
    await this.#sync.sync(dirname(path));
    await this.#checkRoot();
  }

  async remove(key: string): Promise<void> {
    const path = join(this.#root, key);
    await unlink(path).catch(nothingThere);
    let folder = dirname(path);
    for (; folder !== this.#root && (await rmdir(folder).then(yes, no)); folder = dirname(folder)) this.#folders.delete(folder);
    await this.#sync.sync(folder).catch(nothingThere);
  }

  async *list(prefix: string, after?: string, onUnseen?: OnUnseen): AsyncGenerator<StoredObject> {
    yield* listFolder(this.#root, prefix, { after, onUnseen });
    await this.#checkRoot();
  }

  classify(error: unknown): FailureClass {
    const code = codeOf(error);
    // An error that is not from the system is a mistake in the code.
    if (code === undefined || !('syscall' in (error as object))) return 'permanent';
    // The file is a socket, which cannot be opened.
    if (code === 'ENXIO') return 'denied';
    const kind = diskFault(error, asked)?.kind;
    // A folder that vanishes while it is used is made again by the next try.
    return (code !== 'ENOENT' && kind && classes[kind]) || 'transient';
  }

  advise(error: unknown): Advice | undefined {
    return diskFault(error, asked);
  }

  async close(): Promise<void> {
    // Nothing is open between requests.
  }

  /** @throws STORE_UNAVAILABLE if the root is not the folder that it was */
  async #checkRoot(): Promise<undefined> {
    if (this.#identity === undefined) return;
    const there = await stat(this.#root).catch(nothingThere);
    if (there && identityOf(there) === this.#identity) return;
    const message = `store ${this.#root} was unmounted, moved or removed after it was opened: restore it, or restart the processes that use it`;
    throw new BlockhubError('STORE_UNAVAILABLE', message, {
      details: { path: this.#root },
      fix: `Mount the disk again, or restore the folder at ${this.#root}. If it was replaced on purpose, restart the processes that use it.`,
    });
  }

  /** Writes the bytes whole and durable before they get a key. */
  async #writeTemporary(bytes: Uint8Array): Promise<string> {
    const folder = join(this.#root, TEMPORARY);
    const path = join(folder, `${this.#owner}-${this.#written++}`);
    const file = await open(path, 'wx', 0o644).catch(async (error: unknown) => {
      if (codeOf(error) !== 'ENOENT') throw error;
      await this.#make(folder);
      return open(path, 'wx', 0o644);
    });
    try {
      try {
        for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
        await file.datasync();
      } finally {
        await file.close();
      }
      return path;
    } catch (error) {
      await unlink(path).catch(() => undefined);
      throw error;
    }
  }

  /** Runs `use`, which needs the folder. Makes the folder first if this process has not done so. */
  async #inFolder<T>(folder: string, use: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        await this.#ensure(folder);
        return await use();
      } catch (error) {
        this.#folders.delete(folder);
        if (codeOf(error) === 'ENOTDIR') throw folderAt(folder.slice(this.#root.length + 1), error);
        if (codeOf(error) !== 'ENOENT' || tries === FOLDER_TRIES) throw error;
      }
    }
  }

  #ensure(folder: string): Promise<void> {
    return this.#folders.getOrMake(folder, () => this.#make(folder));
  }

  /**
   * A folder may exist and not be durable, because the process that made it died. So the names from
   * the root on are synced once.
   */
  async #make(folder: string): Promise<void> {
    await this.#checkRoot();
    const first = await makeFolder(folder);
    this.#identity ??= identityOf(await stat(this.#root));
    const top = first === undefined || first.length > this.#root.length ? this.#root : dirname(first);
    for (let at = folder; at !== top; ) {
      at = dirname(at);
      await this.#sync.sync(at);
    }
  }
}

const asked = { setting: '--store' };

/** Everything else (EIO, EMFILE, ESTALE, …) may pass. */
const classes: Partial<Record<FaultKind, FailureClass>> = {
  full: 'full',
  denied: 'denied',
  'read-only': 'unusable',
  path: 'unusable',
  'file-system': 'unusable',
};

/** Refuses an impossible path. Other faults may pass, and the first requests report them. */
function notThereYet(error: unknown, root: string): undefined {
  const fault = diskFault(error, asked);
  if (fault?.kind !== 'path' || fault.code === 'ENOENT') return;
  throw new BlockhubError('STORE_URL_INVALID', `store URL: the folder ${root} cannot be used: ${fault.what}`, {
    cause: error,
    fix: fault.fix,
  });
}

const identityOf = ({ dev, ino }: { dev: number; ino: number }): string => `${dev} ${ino}`;

/**
 * Gives the topmost folder that had to be made. It is not `recursive`, because Node then reports a
 * read-only file system as ENOENT. It retries because the folder above may vanish meanwhile. The
 * tries are limited: below a broken link and in /proc, ENOENT stays although the parent exists.
 */
async function makeFolder(path: string): Promise<string | undefined> {
  let first: string | undefined;
  for (let tries = 1; ; tries++) {
    try {
      await mkdir(path);
      return first ?? path;
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return first;
      if (codeOf(error) !== 'ENOENT' || dirname(path) === path || tries === FOLDER_TRIES) throw error;
      first = (await makeFolder(dirname(path))) ?? first;
    }
  }
}

async function readRange(path: string, range: ByteRange): Promise<Buffer> {
  const file = await open(path, READ);
  try {
    const bytes = Buffer.allocUnsafe(Math.min(range.length, Math.max(0, (await file.stat()).size - range.offset)));
    let at = 0;
    while (at < bytes.length) {
      const { bytesRead } = await file.read(bytes, at, bytes.length - at, range.offset + at);
      if (bytesRead === 0) break;
      at += bytesRead;
    }
    return bytes.subarray(0, at);
  } finally {
    await file.close();
  }
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException | null)?.code;

const yes = (): boolean => true;
const no = (): boolean => false;

function noIfTaken(error: unknown): boolean {
  if (codeOf(error) === 'EEXIST') return false;
  throw error;
}

/** For reads: no object has the key, which may be a folder or be below a file. */
function nothingThere(error: unknown): undefined {
  const code = codeOf(error);
  if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'EISDIR') throw error;
}

/** The target of a broken link, such as a disk that is not mounted, is hidden and not absent. */
async function refuseLink(root: string, path: string): Promise<void> {
  if ((await inTheWay(root, path)) !== 'link') return;
  throw Object.assign(new Error(`ENOLINK: the path ${path} has a link whose target does not exist`), { code: 'ENOLINK', syscall: 'open' });
}

const folderAt = (key: string, cause?: unknown): BlockhubError =>
  new BlockhubError('STORE_KEY_INVALID', `${key}: a file store cannot hold both an object and objects below its key`, {
    cause,
    details: { key },
  });
