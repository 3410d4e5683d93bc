import {
  type Block,
  blockKey,
  type Crypt,
  chainPrefix,
  checkBlock,
  entryKey,
  heightOfKey,
  isChainName,
  isHash,
  nameKey,
  parseBlock,
  type RootFields,
  type Tail,
  tailOf,
} from '@blockhub/chain';
import { BlockhubError, hasCode } from '@blockhub/errors';
import { afterFolder, type Store } from '@blockhub/store';
import { blockStore } from './blocks.ts';
import { pipeline } from './in-order.ts';
import type { ChainRecord } from './types.ts';

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
}

/** The root from its entry, else from its copy; bytes that are not this root count as missing. */
async function findRoot(store: Store, chain: string): Promise<FoundRoot> {
  let entry = false;
  for (const key of [entryKey(chain, 0), blockKey(chain)]) {
    const bytes = await store.find(key);
    if (bytes && key === entryKey(chain, 0)) entry = true;
    const { block, faults } = bytes ? checkBlock(bytes, { id: chain, height: 0 }) : { faults: [] };
    if (block?.root && faults.length === 0) return { root: { ...block, root: block.root }, entry };
  }
  return { entry };
}

/** The first height at or above `from` that has an entry; undefined when there is none. One list request. */
export async function nextEntry(store: Store, chain: string, from: number): Promise<number | undefined> {
  const after = from > 0 ? entryKey(chain, from - 1) : chainPrefix(chain);
  for await (const { key } of store.list(chainPrefix(chain), { after })) {
    const height = heightOfKey(key);
    if (height !== undefined) return height;
    // Digits sort before letters: what follows are repairs and the like.
    if (key > `${chainPrefix(chain)}:`) return undefined;
  }
  return undefined;
}

export interface FindChainOptions {
  /** Looks at the root of every chain when the name's own object does not lead to one. Costs two requests per chain. */
  scan?: boolean;
}

/**
 * The chain with this id or name, or undefined. A name whose chain has no entry yet is not a chain: creating it again finishes it.
 * A chain whose root is damaged is found by its id only, with nothing but id and crypt to tell.
 */
export async function findChain(store: Store, nameOrId: string, options: FindChainOptions = {}): Promise<ChainRecord | undefined> {
  if (isHash(nameOrId)) {
    const { root, entry } = await findRoot(store, nameOrId);
    if (!entry && (await nextEntry(store, nameOrId, 0)) === undefined) return undefined;
    return root ? recordOf(root) : damaged(nameOrId);
  }
  if (!isChainName(nameOrId)) return undefined;
  const { root, found } = await findNamed(store, nameOrId);
  if (root && (await store.head(entryKey(root.id, 0)))) return recordOf(root);
  return found || options.scan ? findByScan(store, nameOrId) : undefined;
}

/** The root that the name's own object holds; `found` when there is one, whatever it holds. */
async function findNamed(store: Store, name: string): Promise<{ root?: RootBlock; found: boolean }> {
  const bytes = await store.find(nameKey(name));
  const block = bytes && checkBlock(bytes, { height: 0 }).block;
  return { found: bytes !== undefined, ...(block?.root?.name === name && { root: { ...block, root: block.root } }) };
}

/** Like `findChain`, but throws CHAIN_NOT_FOUND. */
export async function getChain(store: Store, nameOrId: string, options: FindChainOptions = {}): Promise<ChainRecord> {
  const record = await findChain(store, nameOrId, options);
  if (record) return record;
  throw new BlockhubError('CHAIN_NOT_FOUND', `no chain has the id or name ${JSON.stringify(nameOrId)}`, { details: { chain: nameOrId } });
}

/** The id that a name stands for, also when its chain has no entry (any more). An id stands for itself. @throws CHAIN_NOT_FOUND */
export async function getId(store: Store, nameOrId: string): Promise<string> {
  if (isHash(nameOrId)) return nameOrId;
  try {
    return (await getChain(store, nameOrId, { scan: true })).id;
  } catch (error) {
    if (!hasCode(error, 'CHAIN_NOT_FOUND') || !isChainName(nameOrId)) throw error;
    const { root } = await findNamed(store, nameOrId);
    if (root) return root.id;
    throw error;
  }
}

async function findByScan(store: Store, name: string): Promise<ChainRecord | undefined> {
  for await (const record of listChains(store)) if (record.name === name) return record;
  return undefined;
}

const damaged = (id: string): ChainRecord & { damaged: true } => ({ id, crypt: cryptOfId(id), settings: {}, time: 0, damaged: true });

/** A chain whose root cannot be read from entry or copy has `damaged`, and nothing but id and crypt to tell. */
export type ListedChain = ChainRecord & { damaged?: true };

/** Every chain of the store, by id: about one list request and one or two reads each, however long the chains are. */
export async function* listChains(store: Store): AsyncGenerator<ListedChain> {
  yield* pipeline(chainIds(store), ROOTS_AT_ONCE, async (id) => {
    const { root } = await findRoot(store, id);
    return root ? recordOf(root) : damaged(id);
  });
}

/** Skips what is behind the first keys of each chain; short chains cost no request of their own. */
async function* chainIds(store: Store): AsyncGenerator<string> {
  let after: string | undefined;
  for (let last = ''; ; ) {
    let keys = 0;
    let skipped = false;
    for await (const { key } of store.list('chains/', after === undefined ? {} : { after })) {
      const id = key.split('/', 2)[1] ?? '';
      if (id !== last) {
        last = id;
        keys = 0;
        if (isHash(id)) yield id;
      } else if (++keys >= LIST_PAGE) {
        after = afterFolder(`chains/${id}`);
        skipped = true;
        break;
      }
    }
    if (!skipped) return;
  }
}

/**
 * The newest block of a chain, in O(log n) requests.
 * @param hint a height that is known to exist; only makes it faster
 * @throws CHAIN_NOT_FOUND; CHAIN_DAMAGED when the root has no entry but others have, when the tail is not a block of this chain, or lies below the hint
 */
export async function findTail(store: Store, chain: string, hint?: number): Promise<Tail> {
  const found = await blockStore(store).tail(chain, hint);
  if (!found) {
    const key = entryKey(chain, 0);
    if ((await nextEntry(store, chain, 0)) === undefined)
      throw new BlockhubError('CHAIN_NOT_FOUND', `no chain has the id ${chain}`, { details: { chain } });
    throw new BlockhubError('CHAIN_DAMAGED', `${key} is missing`, { details: { chain, height: 0, key } });
  }
  const details = { chain, height: found.height, key: entryKey(chain, found.height) };
  if (hint !== undefined && found.height < hint)
    throw new BlockhubError('CHAIN_DAMAGED', `chain ${chain} had height ${hint}, now its tail is at ${found.height}`, { details });
  const block = parseEntry(found.bytes, details);
  return tailOf(block);
}

function parseEntry(bytes: Buffer, details: { chain: string; height: number; key: string }): Block {
  let block: Block;
  try {
    block = parseBlock(bytes);
  } catch (cause) {
    throw new BlockhubError('CHAIN_DAMAGED', `${details.key} is not a block`, { cause, details });
  }
  if (block.chain === details.chain && block.height === details.height) return block;
  throw new BlockhubError('CHAIN_DAMAGED', `${details.key} holds height ${block.height} of chain ${block.chain}`, { details });
}
