import { blockKey, checkBlock } from '@blockhub/chain';
import type { OnUnseen, Store } from '@blockhub/store';

export interface BlocksFromOptions {
  /** Only blocks of this chain, which each block is read for. */
  chain?: string;
  onUnseen?: OnUnseen | undefined;
}

const blockForm = /^blocks\/([0-9a-f]{64}|[0-9a-f]{32})\.block$/;

/** Ids of the stored blocks that begin so, in order: a listing of that prefix. Stop taking them when there are enough. */
export async function* blocksFrom(store: Store, prefix: string, { chain, onUnseen }: BlocksFromOptions = {}): AsyncGenerator<string> {
  const hide: OnUnseen = (key, error) => {
    const id = blockForm.exec(key)?.[1];
    if (key === 'blocks/' || id?.startsWith(prefix)) onUnseen?.(key, error);
  };
  for await (const { key } of store.list(`blocks/${prefix}`, { onUnseen: hide })) {
    const id = blockForm.exec(key)?.[1];
    if (id !== undefined && (chain === undefined || (await isOf(store, id, chain, onUnseen)))) yield id;
  }
}

async function isOf(store: Store, id: string, chain: string, onUnseen: OnUnseen | undefined): Promise<boolean> {
  const key = blockKey(id);
  try {
    const bytes = await store.find(key);
    // A damaged copy may be of this chain. Reading the block shows it.
    return bytes !== undefined && (checkBlock(bytes).tail?.chain ?? chain) === chain;
  } catch (error) {
    onUnseen?.(key, error);
    return false;
  }
}
