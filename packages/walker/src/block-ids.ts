import { blockKey, checkBlock } from '@blockhub/chain';
import type { OnUnseen, Store } from '@blockhub/store';
import type { IdSet } from './id-set.ts';

export interface BlockIdsOptions {
  /** Only blocks of this chain. Each block is read to find its chain. */
  chain?: string;
  except?: IdSet | undefined;
  onUnseen?: OnUnseen | undefined;
}

const idIn = (key: string): string | undefined => /^blocks\/([0-9a-f]{64}|[0-9a-f]{32})\.block$/.exec(key)?.[1];

/** The ids with this prefix of all blocks that have a copy, in order. Costs one listing. */
export async function* blockIds(store: Store, prefix: string, options: BlockIdsOptions = {}): AsyncGenerator<string> {
  const { chain, except, onUnseen } = options;
  const isWanted = (id: string | undefined): id is string => id?.startsWith(prefix) === true && !except?.has(id);
  const hide: OnUnseen = (key, error) => {
    if (key === 'blocks/' || isWanted(idIn(key))) onUnseen?.(key, error);
  };
  for await (const { key } of store.list(`blocks/${prefix}`, { onUnseen: hide })) {
    const id = idIn(key);
    if (isWanted(id) && (chain === undefined || (await isOf(store, id, chain, onUnseen)))) yield id;
  }
}

async function isOf(store: Store, id: string, chain: string, onUnseen: OnUnseen | undefined): Promise<boolean> {
  const key = blockKey(id);
  try {
    const bytes = await store.find(key);
    // A damaged copy may belong to this chain. The caller finds out when it reads the block.
    return bytes !== undefined && (checkBlock(bytes).tail?.chain ?? chain) === chain;
  } catch (error) {
    onUnseen?.(key, error);
    return false;
  }
}
