import { blockKey, chainPrefix, checkBlock, entryKey, type Tail } from '@blockhub/chain';
import { type Clock, systemClock } from '@blockhub/clock';
import { hasCode } from '@blockhub/errors';
import type { OnUnseen, Store } from '@blockhub/store';
import { Checker, covers } from './check.ts';
import { findDetached, looseBlocks } from './detached.ts';
import { getId, type ListedChain, listChains } from './find.ts';
import { IdSet } from './id-set.ts';
import { reasonOf } from './reason.ts';
import type { Fault, VerifyLevel } from './types.ts';
import { isOfOneThing } from './unseen.ts';
import { walk } from './walk.ts';

export interface VerifyOptions {
  /** Default `full`. */
  level?: VerifyLevel;
  /** As in a walk; the report says that it was skipped. */
  skipNextCheck?: boolean;
  /** First height, to go on where another verify ended. Then blocks behind the tail are looked for only by `detached`. */
  from?: number;
  signal?: AbortSignal;
  /** After each batch, with the counts so far; do not keep the object. */
  onProgress?: (report: Readonly<Report>) => void;
  /** Each fault as it is found; the report keeps the first 10,000. */
  onFault?: (fault: Fault) => void;
  clock?: Clock;
  /** Whether to look for blocks behind the tail that have no entry. Default: at level `full`. */
  detached?: boolean;
  /** How long a block may wait for its entry before it counts as detached. Default 2 s. */
  settleMs?: number;
  prefetch?: number;
  /** Of all chains: told where the list of chains may have gaps, so that chains may be missing in the reports. Without it such a gap ends the verify. */
  onUnseen?: OnUnseen;
}

/** What a verify found. The chain is whole as far as `level` goes when `faultCount` and `uncheckedCount` are 0. */
export interface Report {
  chain: string;
  level: VerifyLevel;
  /** There when it was not checked that a block is the one that the next height follows. */
  nextSkipped?: true;
  /** Height of the newest block; −1 without one. */
  height: number;
  blocks: number;
  events: number;
  /** Bytes of the blobs of these blocks. */
  bytes: number;
  faults: Fault[];
  faultCount: number;
  /** What the store did not let be checked, as `key: code: reason`; no verdict on it. */
  unchecked: string[];
  uncheckedCount: number;
}

/** Kept in a report of each kind; the counts go on. */
const MOST = 10_000;
const SETTLE_MS = 2_000;

/** Adds to a report. */
class Ledger {
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
      if (report.faultCount++ < MOST) report.faults.push(fault);
      this.#options.onFault?.(fault);
    }
    for (const reason of unchecked) if (report.uncheckedCount++ < MOST) report.unchecked.push(reason);
  }
}

/**
 * Checks a whole chain and gives all faults in one pass. Memory is bounded but for 8 to 16 bytes per block at level `full`.
 * @param chain id or name
 * @throws CHAIN_NOT_FOUND; the signal's reason. Faults and what the store does not answer are in the report.
 */
export async function verifyChain(store: Store, chain: string, options: VerifyOptions = {}): Promise<Report> {
  const id = await getId(store, chain);
  const known = new IdSet();
  const { ledger, tail } = await verifyEntries(store, id, options, known);
  if (wantsDetached(options)) await addDetached(store, new Map([[id, { ledger, tail }]]), known, options);
  return ledger.report;
}

/** A chain whose entries were checked, and the block that a detached one may follow. */
interface Checked {
  ledger: Ledger;
  tail: Pick<Tail, 'id' | 'height'> | undefined;
}

/** Checks every chain of the store; at level `full` also those that lost all their entries, for which and for detached blocks the blocks are listed once each. */
export async function verifyAll(store: Store, options: VerifyOptions = {}): Promise<Report[]> {
  const known = new IdSet();
  const chains = new Map<string, Checked>();
  const { onUnseen } = options;
  for await (const one of listChains(store, onUnseen ? { onUnseen } : {}))
    chains.set(one.id, await verifyListed(store, one, options, known));
  if (!wantsDetached(options)) return reportsOf(chains);
  const { lost, unchecked } = await lostChains(store, chains, known, options);
  for (const id of lost) chains.set(id, await verifyEntries(store, id, options, known, true));
  await addDetached(store, chains, known, options, unchecked);
  return reportsOf(chains);
}

/** A chain of a listing is there, even if none of its entries is; where its folder cannot be opened, they are not known to be missing. */
async function verifyListed(store: Store, { id, error }: ListedChain, options: VerifyOptions, known: IdSet): Promise<Checked> {
  try {
    return await verifyEntries(store, id, options, known, error === undefined);
  } catch (reason) {
    if (!hasCode(reason, 'CHAIN_NOT_FOUND')) throw reason;
    const ledger = new Ledger(id, options);
    ledger.add([], [reasonOf({ key: chainPrefix(id), error })]);
    return { ledger, tail: undefined };
  }
}

const reportsOf = (chains: ReadonlyMap<string, Checked>): Report[] => Array.from(chains.values(), ({ ledger }) => ledger.report);

/** Chains that no listing of entries tells of, but blocks do: a block is only built when its root has an entry, so that one is lost. */
async function lostChains(
  store: Store,
  chains: ReadonlyMap<string, Checked>,
  known: IdSet,
  { signal }: VerifyOptions,
): Promise<{ lost: ReadonlySet<string>; unchecked: string[] }> {
  const lost = new Set<string>();
  const unchecked: string[] = [];
  const onError = (key: string, error: unknown): void => void unchecked.push(reasonOf({ key, error }));
  const above = { get: (chain: string) => (chains.has(chain) || lost.has(chain) ? undefined : { height: 0 }) };
  try {
    for await (const { chain } of looseBlocks(store, { above, known, signal, onError })) lost.add(chain);
  } catch (error) {
    if (signal?.aborted) throw error;
    onError('blocks/', error);
  }
  return { lost, unchecked };
}

/** @param lost the chain is known to have been, even if nothing is left of its root */
async function verifyEntries(store: Store, chain: string, options: VerifyOptions, known: IdSet, lost = false): Promise<Checked> {
  const { level = 'full', skipNextCheck = false, from = 0, signal, prefetch, onProgress } = options;
  const ledger = new Ledger(chain, options);
  const { report } = ledger;
  let tail: Checked['tail'];
  const onTail = (newest: Tail | undefined): void => {
    tail = newest;
  };
  try {
    for await (const { blocks, faults, unchecked } of walk(store, {
      chain,
      from,
      verify: level,
      skipNextCheck,
      onFault: 'report',
      ...(signal ? { signal } : {}),
      ...(prefetch ? { prefetch } : {}),
      onTail,
    })) {
      ledger.add(faults, unchecked);
      for (const block of blocks) {
        known.add(block.id);
        report.blocks++;
        report.height = block.height;
        report.events += block.blobs.length;
        for (const { length } of block.blobs) report.bytes += length;
      }
      onProgress?.(report);
    }
  } catch (error) {
    if (signal?.aborted || !isOfOneThing(error)) throw error;
    // If the store does not answer, nothing is known about the rest. Faults that were found, and other chains, are still reported.
    if (!hasCode(error, 'CHAIN_NOT_FOUND')) ledger.add([], [reasonOf({ key: chainPrefix(chain), error })]);
    else if (lost || (await hasRootCopy(store, chain))) {
      const key = entryKey(chain, 0);
      ledger.add([{ code: 'ENTRY_MISSING', chain, height: 0, id: chain, key, message: `${key} is missing` }], []);
      tail = { id: chain, height: 0 };
    } else throw error;
  }
  return { ledger, tail };
}

/** Without any entry such a chain is begun and not finished, or lost. */
async function hasRootCopy(store: Store, chain: string): Promise<boolean> {
  const bytes = await store.find(blockKey(chain));
  return bytes !== undefined && checkBlock(bytes, { id: chain, height: 0 }).faults.length === 0;
}

const wantsDetached = ({ level = 'full', from, detached = from === undefined && covers(level, 'full') }: VerifyOptions): boolean =>
  detached;

async function addDetached(
  store: Store,
  chains: ReadonlyMap<string, Checked>,
  known: IdSet,
  options: VerifyOptions,
  missed: readonly string[] = [],
): Promise<void> {
  const { level = 'full', clock = systemClock, settleMs = SETTLE_MS, signal } = options;
  const tails = new Map<string, Pick<Tail, 'id' | 'height'>>();
  for (const [chain, { tail }] of chains) if (tail) tails.set(chain, tail);
  const { faults, unchecked } = await findDetached(store, { tails, known, clock, settleMs, signal });
  for (const fault of faults) {
    const { ledger } = chains.get(fault.chain) ?? {};
    ledger?.add([fault], []);
    if (ledger && covers(level, 'blobs')) await addBlobs(store, fault, level, ledger);
  }
  // What the listing did not let be seen concerns every chain asked about.
  const reasons = [...new Set([...missed, ...unchecked])];
  for (const { ledger } of chains.values()) ledger.add([], reasons);
}

/** A detached block is most likely one whose entry is lost, so its blobs matter as well. */
async function addBlobs(store: Store, detached: Fault, level: VerifyLevel, ledger: Ledger): Promise<void> {
  const { bytes, error } = await store.find(detached.key).then(
    (found) => ({ bytes: found, error: undefined }),
    (reason: unknown) => ({ bytes: undefined, error: reason }),
  );
  if (error !== undefined) ledger.add([], [reasonOf({ key: detached.key, error })]);
  const { block } = bytes ? checkBlock(bytes) : {};
  if (!block) return;
  const stretch = { seen: [{ block, next: null, faults: [] }], faults: [], unchecked: [] };
  const { faults, unchecked } = await new Checker(store, block.chain, level).check(stretch);
  ledger.add(faults, unchecked.map(reasonOf));
}
