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

/** A third of the CPU time of the `readFile` that gives promises, and a walk is one of these per block. */
const readWhole = promisify(readFile);
/** A foreign file may be a pipe. Opening a pipe would wait for a writer for ever. */
const READ = constants.O_RDONLY | constants.O_NONBLOCK;
/** Node takes a number here as well, which its types do not know. */
const READ_OPTIONS = { flag: READ as unknown as string };

const TEMPORARY = '.tmp';
/** A temporary file this old belongs to no living write; should it yet, that write fails at its link and is tried again. */
const STALE_MS = 60 * 60 * 1000;
/** Folders known to be durable; past this many they are made sure of again. */
const MAX_FOLDERS = 20_000;
/** A folder that becomes empty is removed, so one may vanish between its making and its use. */
const FOLDER_TRIES = 5;

/**
 * Objects as plain files: the key is the path below the root. A write goes to a temporary file, is made durable, and gets its final
 * name by `link`, which fails when the name is taken: other programs see whole objects or none, however many processes write.
 *
 * @throws STORE_URL_INVALID when the root is not a folder
 */
export async function openFileDriver(path: string, options: { clock: Clock }): Promise<StoreDriver> {
  const root = resolve(path);
  const there = await stat(root).catch((error: unknown) => notThereYet(error, root));
  if (there && !there.isDirectory()) throw new BlockhubError('STORE_URL_INVALID', `store URL: ${root} is not a folder`);
  await removeLeftOvers(join(root, TEMPORARY), options.clock.now() - STALE_MS);
  return new FileDriver(root, there && placeOf(there));
}

/** Best effort: a folder that may only be read has none of ours to remove. */
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
  /** Names of temporary files are ours alone, also among processes in containers, where ids of processes repeat. */
  readonly #owner = randomBytes(8).toString('hex');
  #written = 0;
  /**
   * Which folder the root is; undefined until there is one. Where a volume was unmounted another one lies at the same path, empty or of long ago:
   * what is written there is lost to the chains, and what is missing there says nothing about them.
   */
  #place: string | undefined;

  constructor(root: string, place: string | undefined) {
    this.#root = root;
    this.#place = place;
  }

  async get(key: string, range?: ByteRange): Promise<Buffer | undefined> {
    const path = join(this.#root, key);
    try {
      return range ? await readRange(path, range) : await readWhole(path, READ_OPTIONS);
    } catch (error) {
      nothingThere(error);
      await refuseLink(this.#root, path);
      return this.#checkPlace();
    }
  }

  async head(key: string): Promise<{ length: number } | undefined> {
    const path = join(this.#root, key);
    const found = await stat(path).catch(nothingThere);
    if (found?.isFile()) return { length: found.size };
    if (!found) await refuseLink(this.#root, path);
    return this.#checkPlace();
  }

  async create(key: string, bytes: Uint8Array): Promise<boolean> {
    const path = join(this.#root, key);
    const temporary = await this.#writeTemporary(bytes);
    const linked = this.#inFolder(dirname(path), () => link(temporary, path).then(yes, noIfTaken));
    const removed = linked.catch(no).then(() => unlink(temporary).catch(no));
    const created = await linked;
    if (!created && (await stat(path)).isDirectory()) throw folderAt(key);
    // Also for the loser: the winner may have died between its link and its sync, and the loser's caller relies on the object.
    await this.#sync.sync(dirname(path));
    await removed;
    await this.#checkPlace();
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
    await this.#checkPlace();
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
    await this.#checkPlace();
  }

  classify(error: unknown): FailureClass {
    const code = codeOf(error);
    // An error that is not from the system is a mistake in the code.
    if (code === undefined || !('syscall' in (error as object))) return 'permanent';
    // A socket lies there: trying again does not open it.
    if (code === 'ENXIO') return 'denied';
    const kind = diskFault(error, asked)?.kind;
    // A folder that vanishes while it is used comes back with the next try.
    return (code !== 'ENOENT' && kind && classes[kind]) || 'transient';
  }

  advise(error: unknown): Advice | undefined {
    return diskFault(error, asked);
  }

  async close(): Promise<void> {
    // Nothing is held open between requests.
  }

  /** STORE_UNAVAILABLE while the root is not the folder that it was. */
  async #checkPlace(): Promise<undefined> {
    if (this.#place === undefined) return;
    const there = await stat(this.#root).catch(nothingThere);
    if (there && placeOf(there) === this.#place) return;
    const message = `store ${this.#root} was unmounted, moved or removed since it was opened: put it back, or restart what uses it`;
    throw new BlockhubError('STORE_UNAVAILABLE', message, {
      details: { path: this.#root },
      fix: `Mount the disk again or put the folder back at ${this.#root}. If it was replaced on purpose, restart what uses it.`,
    });
  }

  /** Whole and durable before it gets a name that readers know. */
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

  /** Runs what needs the folder, making it first when this process has not made sure of it yet. */
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

  /** A folder may be there and yet not durable: whoever made it may have died. So the names from the root on are synced once. */
  async #make(folder: string): Promise<void> {
    await this.#checkPlace();
    const first = await makeFolder(folder);
    this.#place ??= placeOf(await stat(this.#root));
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

/** A path that cannot work is refused here. Other faults may pass, and the first requests report them. */
function notThereYet(error: unknown, root: string): undefined {
  const fault = diskFault(error, asked);
  if (fault?.kind !== 'path' || fault.code === 'ENOENT') return;
  throw new BlockhubError('STORE_URL_INVALID', `store URL: the folder ${root} cannot be used: ${fault.what}`, {
    cause: error,
    fix: fault.fix,
  });
}

const placeOf = ({ dev, ino }: { dev: number; ino: number }): string => `${dev} ${ino}`;

/**
 * The topmost folder that had to be made. Not `recursive`: Node reports a read-only file system as ENOENT then. Tried again because the folder
 * above may vanish meanwhile, but not for ever: below a link to nowhere, and in /proc, ENOENT stays although the parent is there.
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

/** For reads: no object lies at the key, which may be a folder or lie below a file. */
function nothingThere(error: unknown): undefined {
  const code = codeOf(error);
  if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'EISDIR') throw error;
}

/** What a link to nowhere stands for, such as a disk that is not mounted, is hidden and not absent. */
async function refuseLink(root: string, path: string): Promise<void> {
  if ((await inTheWay(root, path)) !== 'link') return;
  throw Object.assign(new Error(`ENOLINK: on the way to ${path} is a link that leads nowhere`), { code: 'ENOLINK', syscall: 'open' });
}

const folderAt = (key: string, cause?: unknown): BlockhubError =>
  new BlockhubError('STORE_KEY_INVALID', `${key}: a file store cannot hold both an object and objects below its key`, {
    cause,
    details: { key },
  });
