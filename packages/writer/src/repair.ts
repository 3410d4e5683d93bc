import { blockKey, entryKey, hashOf, nameKey } from '@blockhub/chain';
import { hasCode } from '@blockhub/errors';
import type { Store } from '@blockhub/store';
import {
  type Fault,
  findChain,
  type Report,
  soundBlock,
  unlinkedBlocks,
  type VerifyOptions,
  verifyChain,
  type WalkedBlock,
  walk,
} from '@blockhub/walker';

export interface RepairOptions extends Pick<VerifyOptions, 'signal' | 'clock' | 'settleMs'> {
  /** ms since 1970. */
  now: () => number;
  /** Change nothing; only report the repairs. */
  dryRun?: boolean;
  onRepair?: (repair: Repair) => void;
  /** The height reached. There are several passes over the chain. */
  onProgress?: (height: number) => void;
}

/** One object that was written again from another. Also the format of its record. */
export interface Repair {
  action: 'create-entry' | 'replace-entry' | 'create-copy' | 'replace-copy' | 'create-name' | 'replace-name';
  chain: string;
  height: number;
  id: string;
  /** The repaired object, and the one that its bytes come from. */
  key: string;
  from: string;
  /** ms since 1970. */
  at: number;
  /** Of the bytes before the repair, which are kept next to the record. */
  beforeSha256?: string;
}

export interface RepairReport {
  chain: string;
  repairs: Repair[];
  /** Faults that a verify at level `blocks` finds afterwards; in a dry run, the present ones. */
  left: Fault[];
  unchecked: string[];
}

/**
 * Repairs a chain from its own objects: entries from copies, copies from entries, the name from the
 * root. No id changes, and only blocks whose id is known are written. Each repair is recorded below
 * `chains/{chain}/repairs/` before it is made.
 * @throws CHAIN_NOT_FOUND if no chain has this id; the store's errors
 */
export async function repairChain(store: Store, chain: string, options: RepairOptions): Promise<RepairReport> {
  const work = new ChainRepair(store, chain, options);
  await work.repairHeights();
  await work.repairName();
  let report = await work.verify();
  const detached = report.faults.filter(({ code }) => code === 'BLOCK_DETACHED');
  if (detached.length > 0 && (await work.attach(detached)) && !options.dryRun) report = await work.verify();
  return { chain, repairs: work.repairs, left: report.faults, unchecked: report.unchecked };
}

class ChainRepair {
  readonly repairs: Repair[] = [];
  readonly #store: Store;
  readonly #chain: string;
  readonly #options: RepairOptions;

  constructor(store: Store, chain: string, options: RepairOptions) {
    this.#store = store;
    this.#chain = chain;
    this.#options = options;
  }

  verify(): Promise<Report> {
    const { signal, clock, settleMs, onProgress } = this.#options;
    return verifyChain(this.#store, this.#chain, {
      level: 'blocks',
      detached: true,
      onProgress: ({ height }) => onProgress?.(height),
      signal,
      clock,
      settleMs,
    });
  }

  async repairHeights(): Promise<void> {
    const { signal } = this.#options;
    try {
      for await (const { blocks } of walk(this.#store, { chain: this.#chain, verify: 'blocks', onFault: 'report', signal })) {
        for (const block of blocks) {
          await this.#repairBlock(block);
          this.#options.onProgress?.(block.height);
        }
      }
    } catch (error) {
      if (!hasCode(error, 'CHAIN_NOT_FOUND')) throw error;
      // The chain has no entries: it was not completed, or its entries were lost.
      if (!soundBlock(await this.#store.find(blockKey(this.#chain)), { id: this.#chain, height: 0 })) throw error;
      await this.#repair('entry', { height: 0, id: this.#chain, key: entryKey(this.#chain, 0), from: blockKey(this.#chain) });
    }
  }

  async #repairBlock(block: WalkedBlock): Promise<void> {
    const { id, height } = block;
    const entry = entryKey(this.#chain, height);
    if (block.fromCopy) return this.#repair('entry', { height, id, key: entry, from: blockKey(id) });
    if (!block.faults.some(({ key }) => key === blockKey(id))) return;
    if (block.next === null && (await this.#hasRival(block))) return;
    await this.#repair('copy', { height, id, key: blockKey(id), from: entry });
  }

  /** If another block follows the same block, it may be the real tail, and this entry changed. */
  async #hasRival(tail: WalkedBlock): Promise<boolean> {
    const above = new Map([[this.#chain, { height: tail.height - 1 }]]);
    for await (const { id, height, prev } of unlinkedBlocks(this.#store, { above })) {
      if (id !== tail.id && height === tail.height && prev === tail.prev) return true;
    }
    return false;
  }

  /** The name's object must hold the root, unless another chain owns the name. */
  async repairName(): Promise<void> {
    const name = (await findChain(this.#store, this.#chain))?.name;
    if (name === undefined) return;
    const key = nameKey(name);
    const root = soundBlock(await this.#store.find(key), { height: 0 });
    if (root?.root?.name === name && (root.id === this.#chain || (await this.#store.head(entryKey(root.id, 0))))) return;
    await this.#repair('name', { height: 0, id: this.#chain, key, from: entryKey(this.#chain, 0) });
  }

  /** Creates entries of detached blocks, up to a height that has two such blocks. */
  async attach(detached: readonly Fault[]): Promise<boolean> {
    const before = this.repairs.length;
    for (const { height = 0, id = '' } of detached) {
      if (detached.filter((other) => other.height === height).length > 1) break;
      await this.#repair('entry', { height, id, key: entryKey(this.#chain, height), from: blockKey(id) });
    }
    return this.repairs.length > before;
  }

  async #repair(what: 'entry' | 'copy' | 'name', { height, id, key, from }: Pick<Repair, 'height' | 'id' | 'key' | 'from'>): Promise<void> {
    const before = await this.#store.find(key);
    const repair: Repair = {
      action: `${before ? 'replace' : 'create'}-${what}`,
      chain: this.#chain,
      height,
      id,
      key,
      from,
      at: this.#options.now(),
      ...(before ? { beforeSha256: hashOf('sha256', before) } : {}),
    };
    if (!this.#options.dryRun) await this.#do(repair, before, await this.#store.get(from));
    this.repairs.push(repair);
    this.#options.onRepair?.(repair);
  }

  async #do(repair: Repair, before: Buffer | undefined, bytes: Buffer): Promise<void> {
    const record = `chains/${this.#chain}/repairs/${repair.at}-${String(repair.height).padStart(12, '0')}-${repair.action}`;
    if (before) await this.#store.create(`${record}.before`, before);
    await this.#store.create(`${record}.json`, Buffer.from(`${JSON.stringify(repair)}\n`));
    // Only a damaged object may be overwritten, never one that was created meanwhile.
    if (before) await this.#store.put(repair.key, bytes);
    else await this.#store.create(repair.key, bytes);
  }
}
