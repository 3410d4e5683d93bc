import { type Block, blobKey, blockKey, checkBlock, entryKey, type ReadId, type Receipt, readId } from '@blockhub/chain';
import { BlockhubError, quote } from '@blockhub/errors';
import type { Store } from '@blockhub/store';
import {
  blockIds,
  canSkip,
  type FoundReceipt,
  findReceipts,
  listChains,
  readBlocks,
  readCopies,
  receiptsIn,
  SkippedObjects,
  soundBlock,
  type WantedReceipt,
} from '@blockhub/walker';
import { blobBytes } from './blob-bytes.ts';
import { ambiguous, MOST_CANDIDATES } from './find-chain.ts';
import type { Session } from './session.ts';

export type Found =
  | { kind: 'block'; block: Block; bytes: Buffer }
  /** `bytes` is set if they were read and are correct. */
  | ({ kind: 'blob'; bytes?: Buffer } & FoundReceipt)
  /** An object that no block refers to, as far as blocks could be read. */
  | { kind: 'object'; key: string; bytes: Buffer };

class Search {
  readonly session: Session;
  readonly store: Store;
  readonly skipped: SkippedObjects;
  readonly #chain: string | undefined;
  #id: string | undefined;

  constructor(session: Session, store: Store, chain: string | undefined) {
    this.session = session;
    this.store = store;
    this.#chain = chain;
    this.skipped = new SkippedObjects(session.skipped.add);
  }

  get where(): string {
    return this.#chain === undefined ? 'any chain' : `chain ${this.#chain}`;
  }

  get inAll(): boolean {
    return this.#chain === undefined;
  }

  /** Searches each chain. A chain that cannot be read is skipped. */
  async *each<T>(read: (chain: string, onProgress: (height: number) => void) => AsyncIterable<T>, what: string): AsyncGenerator<T> {
    const { session, skipped } = this;
    const progress = session.progress();
    const onProgress = (height: number): void => progress.update(() => `searching for ${what}, height ${height}`);
    for await (const chain of this.#chains()) {
      try {
        yield* read(chain, onProgress);
      } catch (error) {
        session.signal.throwIfAborted();
        if (!canSkip(error)) throw error;
        skipped.add(`chains/${chain}/`, error);
      }
    }
    progress.clear();
  }

  async *#chains(): AsyncGenerator<string> {
    const { store, skipped } = this;
    const only = await this.chainId();
    if (only !== undefined) yield only;
    else
      for await (const { id, error } of listChains(store, { onUnseen: skipped.add })) {
        yield id;
        if (error !== undefined) skipped.add(`chains/${id}/`, error);
      }
  }

  /** Id of the chain to search; undefined for all. */
  async chainId(): Promise<string | undefined> {
    if (this.#chain !== undefined) this.#id ??= (await this.session.chain(this.store, this.#chain)).id;
    return this.#id;
  }
}

/**
 * Finds a block by its id, or a blob by its event id or hash, in one chain or in all. The id may
 * have any form of `readId`, or be the first 8 or more digits. Damaged and unreadable objects are
 * skipped and reported to the session.
 * @throws OBJECT_MISSING if everything was read; SEARCH_INCOMPLETE if objects were skipped; USAGE
 * for a text that is not an id, or begins several; CHAIN_DAMAGED for a block without a good object
 */
export async function findById(session: Session, store: Store, text: string, chain: string | undefined): Promise<Found> {
  const read = readId(text);
  if (read.kind === 'wrong') throw new BlockhubError('USAGE', `${quote(text)} is not a block id, event id or hash: it ${read.wrong}`);
  const search = new Search(session, store, chain);
  return read.kind === 'prefix' ? findByPrefix(search, read, chain) : findByWholeId(search, read);
}

async function findByWholeId(search: Search, { hash, event }: WantedReceipt): Promise<Found> {
  const copy = hash === undefined ? undefined : await findCopy(search, hash);
  if (copy && 'kind' in copy) return copy;
  // 32 digits may also be an event id, which is found without reading whole chains.
  const byEvent = event === undefined ? undefined : await findReceipt(search, { event });
  if (byEvent) return byEvent;
  const byHash = hash === undefined ? undefined : await findInChains(search, hash);
  if (byHash) return byHash;
  const lost = search.skipped.count === 0 ? undefined : await findInCopies(search, { hash, event });
  if (lost) return lost;
  if (copy) throw copy;
  const key = hash === undefined ? undefined : blobKey(hash);
  const bytes = key !== undefined && search.inAll ? await search.skipped.find(search.store, key) : undefined;
  if (key !== undefined && bytes) return { kind: 'object', key, bytes };
  const id = event ?? hash ?? '';
  const absent = new BlockhubError('OBJECT_MISSING', `nothing in ${search.where} has the id ${id}`, { details: { id } });
  throw search.skipped.notFound(id, absent);
}

/** The block from its copy, else from the entry that the damaged copy names, else the error. */
async function findCopy(search: Search, id: string): Promise<Found | BlockhubError | undefined> {
  const bytes = await search.skipped.find(search.store, blockKey(id));
  if (!bytes) return undefined;
  const { block, tail, faults } = checkBlock(bytes, { id });
  if (block && faults.length === 0) return { kind: 'block', block, bytes };
  const why = faults.map(({ message }) => message).join(', ');
  const error = new BlockhubError('CHAIN_DAMAGED', `${blockKey(id)} ${why}`);
  search.skipped.add(blockKey(id), new BlockhubError('CHAIN_DAMAGED', `it ${why}`));
  const entry = tail && (await search.skipped.find(search.store, entryKey(tail.chain, tail.height)));
  return (entry && blockOf(entry, id)) ?? error;
}

function blockOf(bytes: Buffer, id: string): Found | undefined {
  const block = soundBlock(bytes, { id });
  return block && { kind: 'block', block, bytes };
}

/** The first receipt whose bytes are correct; if there is none, the first receipt. */
async function firstGood(search: Search, receipts: AsyncIterable<FoundReceipt>): Promise<Found | undefined> {
  let first: Found | undefined;
  for await (const found of receipts) {
    const bytes = await blobBytes(search.store, found).catch((error: unknown) => {
      search.skipped.add(found.receipt.at.key, error);
      return undefined;
    });
    if (bytes) return { kind: 'blob', ...found, bytes };
    first ??= { kind: 'blob', ...found };
  }
  return first;
}

function findReceipt(search: Search, wanted: WantedReceipt): Promise<Found | undefined> {
  const { session, store, skipped } = search;
  const read = (chain: string, onProgress: (height: number) => void): AsyncIterable<FoundReceipt> =>
    findReceipts(store, chain, wanted, { signal: session.signal, onProgress, onUnseen: skipped.add });
  return firstGood(search, search.each(read, wanted.event ?? wanted.hash ?? ''));
}

/** Reads the chains, for a blob with this hash or a block whose copy is missing or damaged. */
async function findInChains(search: Search, hash: string): Promise<Found | undefined> {
  const { session, store, skipped } = search;
  const read = (chain: string, onProgress: (height: number) => void): AsyncIterable<Block> =>
    readBlocks(store, chain, { signal: session.signal, onProgress, onUnseen: skipped.add });
  let block: Found | undefined;
  async function* receipts(): AsyncGenerator<FoundReceipt> {
    for await (const one of search.each(read, hash)) {
      const entry = one.id === hash ? await search.skipped.find(search.store, entryKey(one.chain, one.height)) : undefined;
      block = entry && blockOf(entry, hash);
      if (block) return;
      yield* receiptsIn(one, { hash });
    }
  }
  const blob = await firstGood(search, receipts());
  return block ?? blob;
}

/** Searches the copies of blocks whose entries could not be read. */
function findInCopies(search: Search, wanted: WantedReceipt): Promise<Found | undefined> {
  const { session, store, skipped } = search;
  async function* receipts(): AsyncGenerator<FoundReceipt> {
    const copies = readCopies(store, { chain: await search.chainId(), signal: session.signal, onUnseen: skipped.add });
    for await (const block of copies) yield* receiptsIn(block, wanted);
  }
  return firstGood(search, receipts());
}

/** The only thing with this prefix. Blobs and chains are read only if no block id has it. */
async function findByPrefix(search: Search, read: ReadId & { kind: 'prefix' }, chain: string | undefined): Promise<Found> {
  const { session, store, skipped } = search;
  const { hash, event } = read;
  const prefix = hash ?? event ?? '';
  const blocks = hash === undefined ? [] : await take(blockIds(store, hash, { onUnseen: skipped.add }));
  if (blocks.length > 1) throw ambiguous(prefix, 'blocks', blocks);
  if (blocks[0] !== undefined) return findByWholeId(search, { hash: blocks[0] });
  const found = new Set(hash !== undefined && search.inAll ? await take(blobsFrom(search, hash)) : []);
  const options = { signal: session.signal, onUnseen: skipped.add };
  const ofBlock = (block: Block): string[] => [
    ...(hash !== undefined && block.id.startsWith(hash) ? [block.id] : []),
    ...[...receiptsIn(block, wanted)].flatMap(({ receipt }) => idsOf(receipt, hash, event)),
  ];
  const wanted = { hash, event, isPrefix: true };
  async function* readIds(id: string, onProgress: (height: number) => void): AsyncGenerator<string> {
    // An event id begins with its time. No earlier block can hold the event.
    if (hash === undefined)
      for await (const { receipt } of findReceipts(store, id, wanted, { ...options, onProgress })) yield* idsOf(receipt, hash, event);
    else for await (const block of readBlocks(store, id, { ...options, onProgress })) yield* ofBlock(block);
  }
  for await (const id of search.each(readIds, `${prefix}…`)) if (found.add(id).size > MOST_CANDIDATES) break;
  const [first] = found;
  if (found.size > 1) throw ambiguous(prefix, 'blobs or events', [...found].sort());
  if (first !== undefined) return findById(session, store, first, chain);
  const shown = `an id that begins with ${prefix}`;
  const absent = new BlockhubError('OBJECT_MISSING', `nothing in ${search.where} has ${shown}`, { details: { prefix } });
  if (read.wrong === undefined) throw skipped.notFound(shown, absent);
  throw skipped.notFound(shown, new BlockhubError('USAGE', `${prefix} is not an id, and no id begins with it: it ${read.wrong}`));
}

const idsOf = (receipt: Receipt, hash: string | undefined, event: string | undefined): string[] => [
  ...(event !== undefined && receipt.event.startsWith(event) ? [receipt.event] : []),
  ...[receipt.hash, receipt.sha256].filter((one) => hash !== undefined && one?.startsWith(hash)).filter((one) => one !== undefined),
];

async function* blobsFrom({ store, skipped }: Search, prefix: string): AsyncGenerator<string> {
  const idIn = (key: string): string | undefined => /^blobs\/([0-9a-f]{64})\.blob$/.exec(key)?.[1];
  const onUnseen = (key: string, error: unknown): void => {
    if (key === 'blobs/' || idIn(key)?.startsWith(prefix)) skipped.add(key, error);
  };
  for await (const { key } of store.list(`blobs/${prefix}`, { onUnseen })) {
    const id = idIn(key);
    if (id !== undefined) yield id;
  }
}

/** Takes one item more than an error shows. */
async function take<T>(items: AsyncIterable<T>): Promise<T[]> {
  const taken: T[] = [];
  for await (const item of items) if (taken.push(item) > MOST_CANDIDATES) break;
  return taken;
}

/** The bytes of what was found. The hash of a blob is checked. */
export async function bytesOf(store: Store, thing: Found): Promise<Buffer> {
  return thing.bytes ?? (await blobBytes(store, thing as FoundReceipt));
}
