import { BlockhubError, errorCode } from '@blockhub/errors';
import { formatSize } from '@blockhub/settings';
import type { Logger } from '@blockhub/telemetry';
import { isFull, type SpoolDisk, type SpoolFile } from './disk.ts';
import { type FoundEntry, formatRecord, MARK_BYTES, parseRecords, type SpoolEntry } from './record.ts';

/** A longer file is not appended to. Each file is read and removed as a whole. */
const SEGMENT_BYTES = 4 * 2 ** 20;
/** Maximum number of bytes that share a sync. A longer record is written alone. */
const GROUP_BYTES = 4 * 2 ** 20;
const NAME = /^(\d{12})-([0-9a-f]{16})\.spool$/;
const DAMAGED = '.damaged';

export interface SpoolLogOptions {
  readonly disk: SpoolDisk;
  /** Maximum size of all files. */
  readonly maxBytes: number;
  readonly maxEntries: number;
  /** Gives numbers in [0, 1) for the mark of this process. */
  readonly random: () => number;
  readonly log: Logger;
}

interface Segment {
  readonly name: string;
  readonly mark: Buffer;
  /** Bytes that may be read: complete records that this process has synced or found. */
  end: number;
  /** Entries that are not read yet. */
  unread: number;
  read: number;
  damaged: boolean;
}

interface PendingWrite {
  readonly parts: readonly Buffer[];
  readonly size: number;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

/** Entries on a disk, in their order, until dropped. Those added together share one sync. */
export class SpoolLog {
  readonly #options: SpoolLogOptions;
  readonly #mark: Buffer;
  /** Oldest first. */
  readonly #segments: Segment[] = [];
  /** Entries of the first segment that are read and not dropped. */
  #ahead: FoundEntry[] = [];
  #pending: PendingWrite[] = [];
  #writing: Promise<void> | undefined;
  #removing: Promise<void> | undefined;
  /** The newest segment, while it is appended to. */
  #active: { readonly segment: Segment; readonly file: SpoolFile } | undefined;
  #nextNumber = 1;
  #bytes = 0;
  #entries = 0;
  #damaged = 0;
  #closed = false;
  #written: () => void = () => {};

  private constructor(options: SpoolLogOptions) {
    this.#options = options;
    this.#mark = Buffer.from(Array.from({ length: MARK_BYTES }, () => Math.floor(options.random() * 256)));
  }

  /** Finds old files. They are never appended to, because their ends may be cut off. */
  static async open(options: SpoolLogOptions): Promise<SpoolLog> {
    const opened = new SpoolLog(options);
    await opened.#recover();
    return opened;
  }

  /** Entries that were added and not dropped. An entry counts from the call of `add`. */
  get entries(): number {
    return this.#entries;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Number of damaged files, which are kept for the operator. */
  get damaged(): number {
    return this.#damaged;
  }

  /** The listener is called when there may be more to read. */
  onWritten(listener: () => void): void {
    this.#written = listener;
  }

  /**
   * Resolves when the entry is durable.
   * @throws SPOOL_FULL, SPOOL_UNAVAILABLE: it may be found after a restart all the same
   */
  add(entry: SpoolEntry): Promise<void> {
    const { maxBytes, maxEntries } = this.#options;
    const parts = formatRecord(this.#mark, entry);
    const size = parts.reduce((sum, { length }) => sum + length, 0);
    if (this.#closed) return Promise.reject(new BlockhubError('SPOOL_UNAVAILABLE', 'The spool is closed.'));
    if (this.#bytes + size > maxBytes || this.#entries >= maxEntries) {
      const limits = `${formatSize(maxBytes)} and ${maxEntries} requests`;
      return Promise.reject(new BlockhubError('SPOOL_FULL', `The spool has no room for ${size} more bytes; its limits are ${limits}.`));
    }
    this.#bytes += size;
    this.#entries++;
    return new Promise((done, failed) => {
      this.#pending.push({ parts, size, done, failed });
      this.#writing ??= this.#write();
    });
  }

  /**
   * The oldest durable entries, as many as fit but at least one, if there is one. Returns the same
   * entries until they are dropped.
   */
  async read(maxEntries: number, maxBytes: number): Promise<readonly SpoolEntry[]> {
    while (this.#ahead.length === 0 && (await this.#readOn()));
    let count = 0;
    let bytes = 0;
    for (const { size } of this.#ahead) {
      bytes += size;
      if (count > 0 && (count >= maxEntries || bytes > maxBytes)) break;
      count++;
    }
    return this.#ahead.slice(0, count);
  }

  /** Drops the oldest `count` of the entries that were read. */
  async drop(count: number): Promise<void> {
    this.#ahead.splice(0, count);
    this.#entries -= count;
    if (this.#entries > 0 || this.#writing || !this.#active) return;
    // An empty spool has no file.
    const { file } = this.#active;
    this.#active = undefined;
    await file.close();
    while (this.#ahead.length === 0 && (await this.#readOn()));
  }

  /** Waits for writes and removals that have begun. The next process finds what was not dropped. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#writing;
    // The next process must not find a file that is then removed.
    await this.#removing;
    const active = this.#active;
    this.#active = undefined;
    try {
      await active?.file.close();
    } finally {
      this.#options.disk.release();
    }
  }

  async #recover(): Promise<void> {
    const { disk, log } = this.#options;
    const files = (await disk.list()).toSorted((a, b) => (a.name < b.name ? -1 : 1));
    this.#damaged = files.filter(({ name }) => name.endsWith(DAMAGED)).length;
    for (const { name, bytes } of files) {
      const [, number, hex] = NAME.exec(name) ?? [];
      if (number === undefined || hex === undefined) continue;
      const mark = Buffer.from(hex, 'hex');
      const { entries, torn, damaged } = parseRecords(mark, await disk.read(name, 0, bytes));
      const segment = { name, mark, end: bytes, unread: entries.length, read: entries.length > 0 ? 0 : bytes, damaged: false };
      this.#segments.push(segment);
      this.#bytes += bytes;
      this.#entries += entries.length;
      this.#nextNumber = Number(number) + 1;
      if (damaged > 0) this.#report(segment, damaged);
      if (torn > 0)
        log.info({ file: name, bytes: torn }, 'a spooled request was cut off by a crash before it was answered; it is left out');
    }
  }

  /** Entries that are added while a group is being written join the next group. */
  async #write(): Promise<void> {
    while (this.#pending.length > 0) {
      const group = this.#takeGroup();
      try {
        const { segment, file } = await this.#writable();
        await file.append(group.flatMap(({ parts }) => parts));
        await file.sync();
        segment.end += sizeOf(group);
        segment.unread += group.length;
        for (const { done } of group) done();
      } catch (error) {
        await this.#giveUp(group, error);
      }
      this.#written();
    }
    this.#writing = undefined;
  }

  #takeGroup(): PendingWrite[] {
    let bytes = 0;
    const end = this.#pending.findIndex(({ size }, at) => {
      bytes += size;
      return at > 0 && bytes > GROUP_BYTES;
    });
    return this.#pending.splice(0, end < 0 ? this.#pending.length : end);
  }

  async #writable(): Promise<{ readonly segment: Segment; readonly file: SpoolFile }> {
    if (this.#active && this.#active.segment.end < SEGMENT_BYTES) return this.#active;
    const full = this.#active;
    this.#active = undefined;
    await full?.file.close();
    const name = `${String(this.#nextNumber++).padStart(12, '0')}-${this.#mark.toString('hex')}.spool`;
    const file = await this.#options.disk.create(name);
    const segment = { name, mark: this.#mark, end: 0, unread: 0, read: 0, damaged: false };
    this.#segments.push(segment);
    this.#active = { segment, file };
    return this.#active;
  }

  /** After an error the content of the file is unknown, so it is not appended to again. */
  async #giveUp(group: readonly PendingWrite[], cause: unknown): Promise<void> {
    const active = this.#active;
    this.#active = undefined;
    this.#bytes -= sizeOf(group);
    this.#entries -= group.length;
    const why = `The spool could not be written (${errorCode(cause)}).`;
    for (const { failed } of group) failed(new BlockhubError(isFull(cause) ? 'SPOOL_FULL' : 'SPOOL_UNAVAILABLE', why, { cause }));
    await active?.file.close().catch(() => {});
    // A full disk must not fill up with empty files too.
    if (active?.segment.end === 0) {
      this.#segments.splice(this.#segments.indexOf(active.segment), 1);
      await this.#remove(active.segment);
    }
  }

  /** Reads on in the oldest file, or removes it if all is dropped. False if neither can be done. */
  async #readOn(): Promise<boolean> {
    const [segment] = this.#segments;
    if (!segment || this.#closed) return false;
    const { read, end, unread } = segment;
    if (read < end) {
      const { entries, damaged } = parseRecords(segment.mark, await this.#options.disk.read(segment.name, read, end));
      segment.read = end;
      segment.unread -= unread;
      this.#entries -= unread - entries.length;
      if (entries.length < unread) this.#report(segment, damaged);
      this.#ahead.push(...entries);
      return true;
    }
    if (segment === this.#active?.segment) return false;
    this.#segments.shift();
    this.#bytes -= end;
    this.#removing = this.#remove(segment);
    await this.#removing;
    return true;
  }

  async #remove({ name, damaged }: Segment): Promise<void> {
    const { disk, log } = this.#options;
    try {
      if (damaged) await disk.rename(name, `${name}${DAMAGED}`);
      else await disk.remove(name);
    } catch (error) {
      // The next process publishes its requests again, and each event is still in its chain once.
      log.warn({ err: error, file: name }, 'a drained spool file could not be removed');
    }
  }

  #report(segment: Segment, bytes: number): void {
    if (!segment.damaged) this.#damaged++;
    segment.damaged = true;
    this.#options.log.error({ file: segment.name, bytes }, `a spool file is damaged; it is kept as ${segment.name}${DAMAGED}`);
  }
}

const sizeOf = (group: readonly PendingWrite[]): number => group.reduce((sum, { size }) => sum + size, 0);
