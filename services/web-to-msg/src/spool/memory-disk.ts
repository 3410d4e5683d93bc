import type { Clock } from '@blockhub/clock';
import { calm, type FaultPlan } from '@blockhub/faults';
import type { SpoolDisk, SpoolFile } from './disk.ts';

interface Stored {
  bytes: Buffer;
  /** Number of bytes that survive a crash. */
  synced: number;
}

/** A disk for tests and simulations. A crash drops what was not synced, except a part by chance. */
export class MemoryDisk {
  readonly files = new Map<string, Stored>();
  readonly #plan: FaultPlan;
  #clock: Clock | undefined;
  #life = 0;

  constructor({ plan = calm }: { readonly plan?: FaultPlan } = {}) {
    this.#plan = plan;
  }

  /** The machine goes down: operations that have begun never end. */
  crash(): void {
    this.#life++;
    for (const file of this.files.values()) {
      file.bytes = file.bytes.subarray(0, file.synced + Math.floor(this.#plan.random() * (file.bytes.length - file.synced + 1)));
      file.synced = file.bytes.length;
    }
  }

  /** Opens the disk for the next process. Its clock runs the delays of the plan. */
  open(clock?: Clock): SpoolDisk {
    this.#clock = clock;
    const life = ++this.#life;
    const get = (name: string): Stored => {
      const file = this.files.get(name);
      if (!file) throw Object.assign(new Error(`no file ${name}`), { code: 'ENOENT' });
      return file;
    };
    const run = <T>(effect: () => T): Promise<T> => this.#run(life, effect);
    return {
      list: () => run(() => [...this.files].map(([name, { bytes }]) => ({ name, bytes: bytes.length }))),
      create: (name) =>
        run(() => {
          const file = { bytes: Buffer.alloc(0), synced: 0 };
          this.files.set(name, file);
          return this.#handle(life, file);
        }),
      read: (name, from, to) => run(() => Buffer.from(get(name).bytes.subarray(from, to))),
      rename: (from, to) =>
        run(() => {
          this.files.set(to, get(from));
          this.files.delete(from);
        }),
      remove: (name) => run(() => void this.files.delete(name)),
      release: () => {},
    };
  }

  #handle(life: number, file: Stored): SpoolFile {
    return {
      append: (parts) =>
        this.#run(life, () => {
          file.bytes = Buffer.concat([file.bytes, ...parts]);
        }),
      sync: () =>
        this.#run(life, () => {
          file.synced = file.bytes.length;
        }),
      close: () => this.#run(life, () => {}),
    };
  }

  /** Crashes come from `crash` only. If the plan has one, the operation fails with an error. */
  async #run<T>(life: number, effect: () => T): Promise<T> {
    const { outcome, delayMs } = this.#plan.decide('disk');
    if (delayMs > 0) await this.#clock?.sleep(delayMs);
    if (life !== this.#life) return new Promise(() => {});
    const result = outcome === 'ok' || outcome.endsWith('-after') ? effect() : undefined;
    if (outcome !== 'ok') throw Object.assign(new Error('the disk failed'), { code: 'EIO' });
    return result as T;
  }
}
