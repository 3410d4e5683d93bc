import { blockId, blockKey, entryKey } from '@blockhub/chain';
import { BlockStore, type Store } from '@blockhub/store';

/** The blocks of a store, with the keys and ids of the chain package. */
export const blockStore = (store: Store): BlockStore => new BlockStore(store, { block: blockKey, entry: entryKey, id: blockId });
