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
import { BlockhubError, hasCode } from '@blockhub/errors';
import { afterFolder, type OnUnseen, type Store } from '@blockhub/store';
import { pipeline } from './in-order.ts';
import { quoted } from './reason.ts';
import type { ChainRecord } from './types.ts';
import { Unseen } from './unseen.ts';

/** A listing brings about so many keys per request in any case. */
const LIST_PAGE = 1000;
const ROOTS_AT_ONCE = 16;

/** Length tells the function that made an id. */
const cryptOfId = (id: string): Crypt => (id.length === 32 ? 'md5' : 'sha256');

type RootBlock = Block & { root: RootFields };

/** What a root block says about its chain. */
export function recordOf(block: RootBlock): ChainRecord {
  const { crypt, name, settings } = block.root;
  return { id: block.id, ...(name === undefined ? {} : { name }), crypt, settings, time: block.time };
}

interface FoundRoot {
  root?: RootBlock;
  /** Something lies at height 0. */
  entry: boolean;
  /** Why entry or copy could not be read. */
  error?: unknown;
}

/** The root from its entry, else from its copy; bytes that are not this root count as missing. Never throws. */
async function findRoot(store: Store, chain: string): Promise<FoundRoot> {
  const found: FoundRoot = { entry: false };
  for (const key of [entryKey(chain, 0), blockKey(chain)]) {
    try {
      const bytes = await store.find(key);
      if (bytes && key === entryKey(chain, 0)) found.entry = true;
      const { block, faults } = bytes ? checkBlock(bytes, { id: chain, height: 0 }) : { faults: [] };
      if (block?.root && faults.length === 0) return { ...found, root: { ...block, root: block.root } };
    } catch (error) {
      found.error ??= error;
    }
  }
  return found;
}

/**
 * The first height at or above `from` that has an entry, also one that cannot be read; undefined when there is none. One list request.
 * Throws when the entries cannot be listed.
 */
export async function nextEntry(store: Store, chain: string, from: number): Promise<number | undefined> {
  const prefix = chainPrefix(chain);
  const after = from > 0 ? entryKey(chain, from - 1) : prefix;
  let unread = Number.POSITIVE_INFINITY;
  let failure: { error: unknown } | undefined;
  const onUnseen: OnUnseen = (key, error) => {
    if (key === prefix) failure = { error };
    // Where no entry can be, such as in a folder of the operating system, nothing of the chain is hidden.
    const height = heightOfKey(key);
    if (height !== undefined && height >= from) unread = Math.min(unread, height);
  };
  for await (const { key } of store.list(prefix, { after, onUnseen })) {
    const height = heightOfKey(key);
    if (height !== undefined) return Math.min(height, unread);
    // Digits sort before letters: what follows are repairs and the like.
    if (key > `${prefix}:`) break;
  }
  if (failure) throw failure.error;
  return Number.isFinite(unread) ? unread : undefined;
}

export interface FindChainOptions {
  /** Looks at the root of every chain when the name's own object does not lead to one. Costs two requests per chain. */
  scan?: boolean;
  /** Told of what could not be looked at, also where the chain was found. */
  onUnseen?: OnUnseen;
}

/**
 * The chain with this id or name, or undefined. A name whose chain has no entry yet is not a chain: creating it again finishes it.
 * A chain whose root is damaged is found by its id only, with nothing but id and crypt to tell. An id may be written in capitals, with a
 * label and so on, as `readChain` takes it.
 * @throws SEARCH_INCOMPLETE when it was not found, and might lie where nothing could be looked at; the store's error if the store does not answer
 */
export async function findChain(store: Store, nameOrId: string, options: FindChainOptions = {}): Promise<ChainRecord | undefined> {
  const { id, name } = readChain(nameOrId);
  if (id !== undefined) return findById(store, id, options);
  if (name === undefined) return undefined;
  const unseen = new Unseen(options.onUnseen);
  const { root, found, error } = await findNamed(store, name);
  if (root && (await store.head(entryKey(root.id, 0)))) return recordOf(root);
  if (error !== undefined) unseen.add(nameKey(name), error);
  if (!found && !options.scan && error === undefined) return undefined;
  const record = await findByScan(store, name, unseen);
  const absent = notFound(name);
  const failure = record ? absent : unseen.notFound(`chain ${quoted(name)}`, absent);
  if (failure !== absent) throw failure;
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

/** The root that the name's own object holds; `found` when there is one, whatever it holds. `error` says why it could not be read. */
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

/** Like `findChain`, but throws CHAIN_NOT_FOUND; USAGE for an id that is damaged, where no chain has it as its name. */
export async function getChain(store: Store, nameOrId: string, options: FindChainOptions = {}): Promise<ChainRecord> {
  const record = await findChain(store, nameOrId, options);
  if (record) return record;
  throw noChain(nameOrId);
}

/** What to throw where no chain has this id or name. */
export function noChain(nameOrId: string): BlockhubError {
  // As a variable of a script that is not set.
  if (nameOrId.trim() === '') return new BlockhubError('USAGE', 'the id or name of the chain is empty', { details: { chain: nameOrId } });
  const { name, wrong } = readChain(nameOrId);
  if (wrong === undefined) return notFound(nameOrId);
  const shown = quoted(nameOrId);
  const what =
    name === undefined ? `${shown} is not the id of a chain: it ${wrong}` : `no chain has the name ${shown}; as an id it ${wrong}`;
  return new BlockhubError('USAGE', what, { details: { chain: nameOrId } });
}

const notFound = (nameOrId: string): BlockhubError =>
  new BlockhubError('CHAIN_NOT_FOUND', `no chain has the id or name ${quoted(nameOrId)}`, { details: { chain: nameOrId } });

/** The id that a name stands for, also when its chain has no entry (any more). An id stands for itself. @throws CHAIN_NOT_FOUND */
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

/** A chain whose root is not known may be the one. */
async function findByScan(store: Store, name: string, unseen: Unseen): Promise<ChainRecord | undefined> {
  for await (const record of listChains(store, { onUnseen: unseen.add })) {
    if (record.name === name) return record;
    if (record.damaged) unseen.add(chainPrefix(record.id), record.error ?? new BlockhubError('CHAIN_DAMAGED', 'the root is damaged'));
  }
  return undefined;
}

const damaged = (id: string): ChainRecord & { damaged: true } => ({ id, crypt: cryptOfId(id), settings: {}, time: 0, damaged: true });

/**
 * A chain whose root cannot be read from entry or copy has `damaged`, and nothing but id and crypt to tell. `error` says why entries, root
 * or copy could not be read.
 */
export type ListedChain = ChainRecord & { damaged?: true; error?: unknown };

export interface ListChainsOptions {
  /** Told when the list of chains itself may have gaps. Without it such a gap ends the listing. */
  onUnseen?: OnUnseen;
  /** Only chains whose ids begin so. */
  prefix?: string;
}

/**
 * Every chain of the store, by id: about one list request and one or two reads each, however long the chains are. A chain that cannot be
 * read does not hide the others. What lies among the chains and is none, such as folders of the operating system, is left out.
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

/** Skips what is behind the first keys of each chain; short chains cost no request of their own. */
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
  // Hidden keys are rare, so few are remembered.
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
      // If the store does not answer at all, the list is not merely incomplete.
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
