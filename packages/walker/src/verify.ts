import { blockKey, chainPrefix, checkBlock, entryKey, type Tail } from '@blockhub/chain';
import { type Clock, systemClock } from '@blockhub/clock';
import { hasCode } from '@blockhub/errors';
import type { OnUnseen, Store } from '@blockhub/store';
import { Checker, covers } from './checker.ts';
import { findDetached } from './detached-blocks.ts';
import { getId, type ListedChain, listChains } from './find.ts';
import { IdSet } from './id-set.ts';
import { unlinkedBlocks } from './read-copies.ts';
import { canSkip } from './skipped-objects.ts';
import { soundBlock } from './sound-block.ts';
import type { Fault, VerifyLevel } from './types.ts';
import { reasonOf } from './unchecked.ts';
import { walk } from './walk.ts';

export interface VerifyOptions {
  /** Default `full`. */
  level?: VerifyLevel;
  /** As in a walk. The report then has `nextSkipped`. */
  skipNextCheck?: boolean | undefined;
  /** First height, to continue an interrupted verify. Then `detached` is off by default. */
  from?: number | undefined;
  signal?: AbortSignal | undefined;
  /** Called after each batch, with the counts so far. The object changes later. */
  onProgress?: (report: Readonly<Report>) => void;
  /** Called for each fault. The report holds only the first 10,000. */
  onFault?: (fault: Fault) => void;
  clock?: Clock | undefined;
  /** Search for detached blocks. Default: at level `full`. */
  detached?: boolean;
  /** How long a block may be without an entry before it counts as detached. Default 2 s. */
  settleMs?: number | undefined;
  prefetch?: number | undefined;
  /** For `verifyAll`: called if chains may be missing. If not set, the error is thrown. */
  onUnseen?: OnUnseen | undefined;
}

/** At `level`, the chain is whole if `faultCount` and `uncheckedCount` are 0. */
export interface Report {
  chain: string;
  level: VerifyLevel;
  /** Set if it was not checked that each block names the one before it. */
  nextSkipped?: true;
  /** Height of the newest block; −1 if there is none. */
  height: number;
  blocks: number;
  events: number;
  /** Bytes of the blobs of these blocks. */
  bytes: number;
  faults: Fault[];
  faultCount: number;
  /** What could not be checked because the store gave an error, as `key: code: reason`. */
  unchecked: string[];
  uncheckedCount: number;
}

/** Faults, and reasons, that a report holds; more are only counted. */
const MAX_HELD = 10_000;
const SETTLE_MS = 2_000;

class ReportBuilder {
  readonly report: Report;
  readonly #options: VerifyOptions;

  constructor(chain: string, options: VerifyOptions) {
    this.#options = options;
    this.report = {
      chain,
      level: options.level ?? 'full',
      ...(options.skipNextCheck ? { nextSkipped: true } : {}),
      height: -1,
      blocks: 0,
      events: 0,
      bytes: 0,
      faults: [],
      faultCount: 0,
      unchecked: [],
      uncheckedCount: 0,
    };
  }

  add(faults: readonly Fault[], unchecked: readonly string[]): void {
    const { report } = this;
    for (const fault of faults) {
      if (report.faultCount++ < MAX_HELD) report.faults.push(fault);
      this.#options.onFault?.(fault);
    }
    for (const reason of unchecked) if (report.uncheckedCount++ < MAX_HELD) report.unchecked.push(reason);
  }
}

/**
 * Checks a whole chain, given by id or name, and finds all faults in one pass. Memory is bounded,
 * except for 8 to 16 bytes per block. Errors of the store are in the report.
 * @throws CHAIN_NOT_FOUND; the signal's reason
 */
export async function verifyChain(store: Store, chain: string, options: VerifyOptions = {}): Promise<Report> {
  const id = await getId(store, chain);
  const linked = new IdSet();
  const { builder, tail } = await verifyEntries(store, id, options, linked);
  if (wantsDetached(options)) await addDetached(store, new Map([[id, { builder, tail }]]), linked, options);
  return builder.report;
}

/** A chain whose entries were checked. `tail` is the block that a detached block may follow. */
interface Checked {
  builder: ReportBuilder;
  tail: Pick<Tail, 'id' | 'height'> | undefined;
}

/** Checks all chains. Level `full` lists all blocks twice more: for lost and detached ones. */
export async function verifyAll(store: Store, options: VerifyOptions = {}): Promise<Report[]> {
  const linked = new IdSet();
  const chains = new Map<string, Checked>();
  const { onUnseen } = options;
  for await (const one of listChains(store, { onUnseen })) chains.set(one.id, await verifyListed(store, one, options, linked));
  if (!wantsDetached(options)) return reportsOf(chains);
  const { lost, unchecked } = await lostChains(store, chains, linked, options);
  for (const id of lost) chains.set(id, await verifyEntries(store, id, options, linked, true));
  await addDetached(store, chains, linked, options, unchecked);
  return reportsOf(chains);
}

/** If the folder of a listed chain cannot be opened, its entries are unchecked, not missing. */
async function verifyListed(store: Store, { id, error }: ListedChain, options: VerifyOptions, linked: IdSet): Promise<Checked> {
  try {
    return await verifyEntries(store, id, options, linked, error === undefined);
  } catch (reason) {
    if (!hasCode(reason, 'CHAIN_NOT_FOUND')) throw reason;
    const builder = new ReportBuilder(id, options);
    builder.add([], [reasonOf({ key: chainPrefix(id), error })]);
    return { builder, tail: undefined };
  }
}

const reportsOf = (chains: ReadonlyMap<string, Checked>): Report[] => Array.from(chains.values(), ({ builder }) => builder.report);

/** Chains with blocks but without entries: their root had an entry, so the entries are lost. */
async function lostChains(
  store: Store,
  chains: ReadonlyMap<string, Checked>,
  linked: IdSet,
  { signal }: VerifyOptions,
): Promise<{ lost: ReadonlySet<string>; unchecked: string[] }> {
  const lost = new Set<string>();
  const unchecked: string[] = [];
  const onUnseen = (key: string, error: unknown): void => void unchecked.push(reasonOf({ key, error }));
  const above = { get: (chain: string) => (chains.has(chain) || lost.has(chain) ? undefined : { height: 0 }) };
  try {
    for await (const { chain } of unlinkedBlocks(store, { above, linked, signal, onUnseen })) lost.add(chain);
  } catch (error) {
    if (signal?.aborted) throw error;
    onUnseen('blocks/', error);
  }
  return { lost, unchecked };
}

/** @param lost the chain existed, even if nothing is left of its root */
async function verifyEntries(store: Store, chain: string, options: VerifyOptions, linked: IdSet, lost = false): Promise<Checked> {
  const { level = 'full', skipNextCheck = false, from = 0, signal, prefetch, onProgress } = options;
  const builder = new ReportBuilder(chain, options);
  const { report } = builder;
  let tail: Checked['tail'];
  const onTail = (newest: Tail | undefined): void => {
    tail = newest;
  };
  try {
    const walking = walk(store, { chain, from, verify: level, skipNextCheck, onFault: 'report', signal, prefetch, onTail });
    for await (const { blocks, faults, unchecked } of walking) {
      builder.add(faults, unchecked);
      for (const block of blocks) {
        linked.add(block.id);
        report.blocks++;
        report.height = block.height;
        report.events += block.blobs.length;
        for (const { length } of block.blobs) report.bytes += length;
      }
      onProgress?.(report);
    }
  } catch (error) {
    if (signal?.aborted || !canSkip(error)) throw error;
    // The rest of the chain is unchecked. Faults found before, and other chains, still count.
    if (!hasCode(error, 'CHAIN_NOT_FOUND')) builder.add([], [reasonOf({ key: chainPrefix(chain), error })]);
    else if (lost || (await hasRootCopy(store, chain))) {
      const key = entryKey(chain, 0);
      builder.add([{ code: 'ENTRY_MISSING', chain, height: 0, id: chain, key, message: `${key} is missing` }], []);
      tail = { id: chain, height: 0 };
    } else throw error;
  }
  return { builder, tail };
}

/** A chain that has this copy but no entries was not completed, or has lost them. */
async function hasRootCopy(store: Store, chain: string): Promise<boolean> {
  return soundBlock(await store.find(blockKey(chain)), { id: chain, height: 0 }) !== undefined;
}

const wantsDetached = ({ level = 'full', from, detached = from === undefined && covers(level, 'full') }: VerifyOptions): boolean =>
  detached;

async function addDetached(
  store: Store,
  chains: ReadonlyMap<string, Checked>,
  linked: IdSet,
  options: VerifyOptions,
  missed: readonly string[] = [],
): Promise<void> {
  const { level = 'full', clock = systemClock, settleMs = SETTLE_MS, signal } = options;
  const tails = new Map<string, Pick<Tail, 'id' | 'height'>>();
  for (const [chain, { tail }] of chains) if (tail) tails.set(chain, tail);
  const { faults, unchecked } = await findDetached(store, { tails, linked, clock, settleMs, signal });
  for (const fault of faults) {
    const { builder } = chains.get(fault.chain) ?? {};
    builder?.add([fault], []);
    if (builder && covers(level, 'blobs')) await addBlobs(store, fault, level, builder);
  }
  // What a listing could not read may belong to any of the chains.
  const reasons = [...new Set([...missed, ...unchecked])];
  for (const { builder } of chains.values()) builder.add([], reasons);
}

/** A detached block has most likely lost its entry, so its blobs are checked as well. */
async function addBlobs(store: Store, detached: Fault, level: VerifyLevel, builder: ReportBuilder): Promise<void> {
  const { bytes, error } = await store.find(detached.key).then(
    (found) => ({ bytes: found, error: undefined }),
    (reason: unknown) => ({ bytes: undefined, error: reason }),
  );
  if (error !== undefined) builder.add([], [reasonOf({ key: detached.key, error })]);
  const { block } = bytes ? checkBlock(bytes) : {};
  if (!block) return;
  const segment = { blocks: [{ block, next: null, faults: [] }], faults: [], unchecked: [] };
  const { faults, unchecked } = await new Checker(store, block.chain, level).check(segment);
  builder.add(faults, unchecked.map(reasonOf));
}
