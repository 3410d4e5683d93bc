import { type Block, blobKey, blockKey, checkBlock, isEvent, isHash } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import type { Store } from '@blockhub/store';
import { type FoundReceipt, findReceipt, listChains, readBlobs } from '@blockhub/walker';
import type { Session } from './session.ts';

/** What an id can name. */
export type Thing =
  | { kind: 'block'; block: Block; bytes: Buffer }
  | ({ kind: 'blob' } & FoundReceipt)
  /** An object that no block seen refers to. */
  | { kind: 'object'; key: string; bytes: Buffer };

/**
 * Finds a block by its id, or a blob by its event id or hash, in the chain named or else in all chains.
 * @throws OBJECT_MISSING; USAGE for what is none of them; CHAIN_DAMAGED for a block that is not what its id says
 */
export async function findThing(session: Session, store: Store, id: string, chain: string | undefined): Promise<Thing> {
  if (!isHash(id) && !isEvent(id)) throw new BlockhubError('USAGE', `${id} is not a block id, event id or hash`);
  if (isHash(id)) {
    const bytes = await store.find(blockKey(id));
    if (bytes) return { kind: 'block', block: sound(id, bytes), bytes };
  }
  const found = await findBlob(session, store, id, chain);
  if (found) return { kind: 'blob', ...found };
  const key = blobKey(id);
  const bytes = isHash(id) && chain === undefined ? await store.find(key) : undefined;
  if (bytes) return { kind: 'object', key, bytes };
  throw new BlockhubError('OBJECT_MISSING', `nothing in ${chain ?? 'any chain'} has the id ${id}`, { details: { id } });
}

function sound(id: string, bytes: Buffer): Block {
  const { block, faults } = checkBlock(bytes, { id });
  if (block && faults.length === 0) return block;
  throw new BlockhubError('CHAIN_DAMAGED', `${blockKey(id)} ${faults.map(({ message }) => message).join(', ')}`);
}

async function findBlob(session: Session, store: Store, id: string, chain: string | undefined): Promise<FoundReceipt | undefined> {
  const progress = session.progress();
  const options = { signal: session.signal, onProgress: (height: number) => progress.update(() => `looking for ${id}, height ${height}`) };
  if (chain !== undefined) return findReceipt(store, (await session.chain(store, chain)).id, id, options);
  for await (const one of listChains(store)) {
    const found = await findReceipt(store, one.id, id, options);
    if (found) return found;
  }
  return undefined;
}

/** The bytes of what was found. Those of a blob are checked. */
export async function bytesOf(store: Store, thing: Thing): Promise<Buffer> {
  if (thing.kind !== 'blob') return thing.bytes;
  for await (const { bytes, fault } of readBlobs(store, [thing.block], { only: ({ event }) => event === thing.receipt.event })) {
    if (bytes) return bytes;
    throw new BlockhubError('CHAIN_DAMAGED', fault?.message ?? 'the blob is missing', { details: { fault } });
  }
  throw new BlockhubError('OBJECT_MISSING', `block ${thing.block.id} has no event ${thing.receipt.event}`);
}
