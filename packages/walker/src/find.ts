import {
  type Block,
  blockKey,
  type Crypt,
  chainPrefix,
  checkBlock,
  entryKey,
  heightOfKey,
  isHash,
  nameKey,
  type RootFields,
  readChain,
} from '@blockhub/chain';
import { BlockhubError, hasCode, quote } from '@blockhub/errors';
import type { ChainRecord } from '@blockhub/registry';
import { afterFolder, type OnUnseen, type Store } from '@blockhub/store';
import { nextEntry } from './entries.ts';
import { pipeline } from './in-order.ts';
import { SkippedObjects } from './skipped-objects.ts';
import { soundBlock } from './sound-block.ts';

/** A list request returns about so many keys. */
const LIST_PAGE = 1000;
const ROOTS_AT_ONCE = 16;

/** An md5 id has 32 digits, a sha256 id 64. */
const cryptOfId = (id: string): Crypt => (id.length === 32 ? 'md5' : 'sha256');

export type RootBlock = Block & { root: RootFields };

export function recordOf(block: RootBlock): ChainRecord {
  const { crypt, name, settings } = block.root;
  return { id: block.id, ...(name === undefined ? {} : { name }), crypt, settings, time: block.time };
}

interface FoundRoot {
  root?: RootBlock;
  /** Height 0 has an entry, good or bad. */
  entry: boolean;
  error?: unknown;
}

/** The root from its entry, else from its copy. Bytes that are not this root count as missing. */
async function findRoot(store: Store, chain: string): Promise<FoundRoot> {
  const found: FoundRoot = { entry: false };
  for (const key of [entryKey(chain, 0), blockKey(chain)]) {
    try {
      const bytes = await store.find(key);
      if (bytes && key === entryKey(chain, 0)) found.entry = true;
      const block = soundBlock(bytes, { id: chain, height: 0 });
      if (block?.root) return { ...found, root: { ...block, root: block.root } };
    } catch (error) {
      found.error ??= error;
    }
  }
  return found;
}

export interface FindChainOptions {
  /** Read the root of every chain if the name's object leads to none. Two requests per chain. */
  scan?: boolean;
  /** Called for each skipped object, even if the chain is found. */
  onUnseen?: OnUnseen;
}

/**
 * The chain with this id or name, or undefined. An id may have any form that `readChain` accepts.
 * A name whose chain has no entry is not a chain; creating the chain again completes it. A chain
 * whose root is damaged is found only by its id, and its record has only `id` and `crypt`.
 * @throws SEARCH_INCOMPLETE if nothing was found, but objects were skipped; the store's error
 */
export async function findChain(store: Store, nameOrId: string, options: FindChainOptions = {}): Promise<ChainRecord | undefined> {
  const { id, name } = readChain(nameOrId);
  if (id !== undefined) return findById(store, id, options);
  if (name === undefined) return undefined;
  const skipped = new SkippedObjects(options.onUnseen);
  const { root, found, error } = await findNamed(store, name);
  if (root && (await store.head(entryKey(root.id, 0)))) return recordOf(root);
  if (error !== undefined) skipped.add(nameKey(name), error);
  if (!found && !options.scan && error === undefined) return undefined;
  const record = await findByScan(store, name, skipped);
  if (!record && skipped.count > 0) throw skipped.notFound(`chain ${quote(name)}`, notFound(name));
  return record;
}

async function findById(store: Store, id: string, { onUnseen }: FindChainOptions): Promise<ChainRecord | undefined> {
  const { root, entry, error } = await findRoot(store, id);
  if (!entry && (await nextEntry(store, id, 0)) === undefined) {
    if (error !== undefined) throw error;
    return undefined;
  }
  if (error !== undefined) onUnseen?.(chainPrefix(id), error);
  return root ? recordOf(root) : damaged(id);
}

/** The root in the name's object. `found`: the object exists. `error`: it could not be read. */
async function findNamed(store: Store, name: string): Promise<{ root?: RootBlock; found: boolean; error?: unknown }> {
  let bytes: Buffer | undefined;
  try {
    bytes = await store.find(nameKey(name));
  } catch (error) {
    return { found: false, error };
  }
  const block = bytes && checkBlock(bytes, { height: 0 }).block;
  return { found: bytes !== undefined, ...(block?.root?.name === name && { root: { ...block, root: block.root } }) };
}

/** As `findChain`. @throws CHAIN_NOT_FOUND; USAGE for a mistyped id that is not a name either */
export async function getChain(store: Store, nameOrId: string, options: FindChainOptions = {}): Promise<ChainRecord> {
  const record = await findChain(store, nameOrId, options);
  if (record) return record;
  throw noChain(nameOrId);
}

export function noChain(nameOrId: string): BlockhubError {
  // For example an empty variable of a script.
  if (nameOrId.trim() === '') return new BlockhubError('USAGE', 'the id or name of the chain is empty', { details: { chain: nameOrId } });
  const { name, wrong } = readChain(nameOrId);
  if (wrong === undefined) return notFound(nameOrId);
  const shown = quote(nameOrId);
  const what =
    name === undefined ? `${shown} is not the id of a chain: it ${wrong}` : `no chain has the name ${shown}; as an id it ${wrong}`;
  return new BlockhubError('USAGE', what, { details: { chain: nameOrId } });
}

const notFound = (nameOrId: string): BlockhubError =>
  new BlockhubError('CHAIN_NOT_FOUND', `no chain has the id or name ${quote(nameOrId)}`, { details: { chain: nameOrId } });

/** The id of a name, also if its chain has no entries; or the given id. @throws CHAIN_NOT_FOUND */
export async function getId(store: Store, nameOrId: string): Promise<string> {
  const { id, name } = readChain(nameOrId);
  if (id !== undefined) return id;
  try {
    return (await getChain(store, nameOrId, { scan: true })).id;
  } catch (error) {
    if (name === undefined || !(hasCode(error, 'CHAIN_NOT_FOUND') || hasCode(error, 'SEARCH_INCOMPLETE') || hasCode(error, 'USAGE')))
      throw error;
    const { root } = await findNamed(store, name);
    if (root) return root.id;
    throw error;
  }
}

/** A chain whose root is damaged may have the name, so it counts as skipped. */
async function findByScan(store: Store, name: string, skipped: SkippedObjects): Promise<ChainRecord | undefined> {
  for await (const record of listChains(store, { onUnseen: skipped.add })) {
    if (record.name === name) return record;
    if (record.damaged) skipped.add(chainPrefix(record.id), record.error ?? new BlockhubError('CHAIN_DAMAGED', 'the root is damaged'));
  }
  return undefined;
}

const damaged = (id: string): ChainRecord & { damaged: true } => ({ id, crypt: cryptOfId(id), settings: {}, time: 0, damaged: true });

/** `damaged`: no sound root, so only `id` and `crypt` are known. `error`: why reading failed. */
export type ListedChain = ChainRecord & { damaged?: true; error?: unknown };

export interface ListChainsOptions {
  /** Called if chains may be missing in the list. If it is not set, such an error is thrown. */
  onUnseen?: OnUnseen | undefined;
  prefix?: string;
}

/**
 * Every chain of the store, by id. Other folders are left out. Costs about one list request and one
 * or two reads per chain, whatever its length.
 */
export async function* listChains(store: Store, options: ListChainsOptions = {}): AsyncGenerator<ListedChain> {
  yield* pipeline(chainIds(store, options), ROOTS_AT_ONCE, async ({ id, error: unlisted }) => {
    const { root, error = unlisted } = await findRoot(store, id);
    return { ...(root ? recordOf(root) : damaged(id)), ...(error === undefined ? {} : { error }) };
  });
}

interface ChainId {
  readonly id: string;
  /** Why its folder could not be opened. */
  readonly error?: unknown;
}

const idIn = (key: string): string => key.split('/', 2)[1] ?? '';

/** Skips the further keys of each long chain; short chains cost no request of their own. */
async function* chainIds(store: Store, { onUnseen, prefix = '' }: ListChainsOptions): AsyncGenerator<ChainId> {
  const hidden: ChainId[] = [];
  const seen = new Set<string>();
  let last = '';
  const hide: OnUnseen = (key, error) => {
    const id = idIn(key);
    if (id === '') (onUnseen ?? fail)(key, error);
    const isOfChain = key === `chains/${id}` || key === chainPrefix(id) || heightOfKey(key) !== undefined;
    if (isHash(id) && id !== last && isOfChain) hidden.push({ id, error });
  };
  const takeHidden = function* (): Generator<ChainId> {
    for (const one of hidden.splice(0)) if (!seen.has(one.id) && seen.add(one.id)) yield one;
  };
  let after: string | undefined;
  for (;;) {
    let keys = 0;
    let skipped = false;
    try {
      for await (const { key } of store.list(`chains/${prefix}`, { ...(after === undefined ? {} : { after }), onUnseen: hide })) {
        yield* takeHidden();
        const id = idIn(key);
        if (id !== last) {
          last = id;
          keys = 0;
          if (isHash(id) && !seen.has(id)) yield { id };
        } else if (++keys >= LIST_PAGE) {
          after = afterFolder(`chains/${id}`);
          skipped = true;
          break;
        }
      }
    } catch (error) {
      // If the store does not answer at all, the search must fail.
      if (
        !onUnseen ||
        !(hasCode(error, 'STORE_DENIED') || hasCode(error, 'STORE_UNUSABLE') || (last !== '' && hasCode(error, 'STORE_UNAVAILABLE')))
      )
        throw error;
      onUnseen('chains/', error);
    }
    yield* takeHidden();
    if (!skipped) return;
  }
}

const fail = (_key: string, error: unknown): never => {
  throw error;
};
