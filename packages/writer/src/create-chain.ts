import { blockKey, buildRoot, type ChainSettings, type Crypt, checkBlock, entryKey, nameKey } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import type { Store } from '@blockhub/store';
import { type ChainRecord, findChain, type RootBlock, recordOf } from '@blockhub/walker';

export interface CreateChainOptions {
  name?: string | undefined;
  /** Default sha256. */
  crypt?: Crypt | undefined;
  /** JSON for the root block; its numbers must be integers. */
  payload?: unknown;
  settings?: ChainSettings | undefined;
  /** Milliseconds since 1970. */
  now: number;
  /** Numbers from 0 up to 1, for the salt. */
  random: () => number;
}

/**
 * Creates a chain, or gives the one that already has the name. The name's object holds the root
 * block and is created first. That create decides which chain owns the name, and each later call
 * completes what is missing: the copy, then the entry at height 0.
 * @throws CHAIN_INVALID for an unusable name; CHAIN_NAME_TAKEN if its chain has another `crypt`
 */
export async function createChain(store: Store, options: CreateChainOptions): Promise<ChainRecord & { created: boolean }> {
  const { name, crypt, payload, settings, now } = options;
  const given = {
    ...(name === undefined ? {} : { name }),
    ...(crypt ? { crypt } : {}),
    ...(payload === undefined ? {} : { payload }),
    ...(settings ? { settings } : {}),
  };
  const root = buildRoot({ ...given, salt: salt(options.random), time: now });
  if (name !== undefined) await refuseAlmostId(store, name);
  let bytes = root.bytes;
  let created = true;
  if (name !== undefined && (await store.create(nameKey(name), bytes)) === 'exists') {
    created = false;
    bytes = await store.get(nameKey(name));
  }
  const block = rootOf(bytes, name);
  if (!created) await checkExisting(store, block, options);
  await store.create(blockKey(block.id), bytes);
  await store.create(entryKey(block.id, 0), bytes);
  return { ...recordOf(block), created };
}

/** An id with a missing or an extra digit. */
const almostId = /^(?:[0-9a-f]{30,34}|[0-9a-f]{62,63})$/;

/** Most likely an id with a typing error. Existing chains with such a name are accepted. */
async function refuseAlmostId(store: Store, name: string): Promise<void> {
  if (!almostId.test(name) || (await store.head(nameKey(name)))) return;
  throw new BlockhubError(
    'CHAIN_INVALID',
    `name ${JSON.stringify(name)} has ${name.length} hex digits, and an id has 64 or 32: correct the id, or choose a name that does not look like one`,
    { details: { field: 'name', name } },
  );
}

const salt = (random: () => number): string => Buffer.from(Array.from({ length: 16 }, () => Math.floor(random() * 256))).toString('hex');

function rootOf(bytes: Buffer, name: string | undefined): RootBlock {
  const { block, faults } = checkBlock(bytes, { height: 0 });
  if (block?.root && faults.length === 0 && block.root.name === name) return { ...block, root: block.root };
  const key = nameKey(name ?? '');
  throw new BlockhubError('CHAIN_DAMAGED', `${key} does not hold the root of a chain of this name`, { details: { key, faults } });
}

/** If the name's object is damaged, another chain may own the name. Then nothing may be created. */
async function checkExisting(store: Store, root: RootBlock, options: CreateChainOptions): Promise<void> {
  const name = root.root.name as string;
  const found = await findChain(store, name);
  if (found && found.id !== root.id)
    throw new BlockhubError('CHAIN_DAMAGED', `${nameKey(name)} holds the root ${root.id}, but the chain with this name is ${found.id}`, {
      details: { key: nameKey(name), chain: found.id },
    });
  if (options.crypt !== undefined && options.crypt !== root.root.crypt)
    throw new BlockhubError('CHAIN_NAME_TAKEN', `chain ${name} exists with ${root.root.crypt}, not ${options.crypt}`, {
      details: { name, chain: root.id },
    });
}
