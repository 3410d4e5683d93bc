import { type Block, blobKey, blockKey, checkBlock, entryKey, type ReadId, type Receipt, readId } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import type { Store } from '@blockhub/store';
import {
  blocksFrom,
  type FoundReceipt,
  findReceipts,
  isOfOneThing,
  listChains,
  quoted,
  readBlocks,
  readCopies,
  receiptsIn,
  Unseen,
  type WantedReceipt,
} from '@blockhub/walker';
import { blobBytes } from './find-bytes.ts';
import { ambiguous, MOST_CANDIDATES } from './find-chain.ts';
import type { Session } from './session.ts';

/** What an id can name. */
export type Thing =
  | { kind: 'block'; block: Block; bytes: Buffer }
  /** `bytes` are there where they were read, and are right. */
  | ({ kind: 'blob'; bytes?: Buffer } & FoundReceipt)
  /** An object that no block seen refers to. */
  | { kind: 'object'; key: string; bytes: Buffer };

/** A search in the chain named, or else in all chains. */
class Search {
  readonly session: Session;
  readonly store: Store;
  readonly unseen: Unseen;
  readonly #chain: string | undefined;
  #id: string | undefined;

  constructor(session: Session, store: Store, chain: string | undefined) {
    this.session = session;
    this.store = store;
    this.#chain = chain;
    this.unseen = new Unseen(session.unseen.add);
  }

  /** For messages. */
  get where(): string {
    return this.#chain === undefined ? 'any chain' : `chain ${this.#chain}`;
  }

  get inAll(): boolean {
    return this.#chain === undefined;
  }

  /** Runs over each chain. One that cannot be read does not hide the others. */
  async *each<T>(look: (chain: string, onProgress: (height: number) => void) => AsyncIterable<T>, what: string): AsyncGenerator<T> {
    const { session, unseen } = this;
    const progress = session.progress();
    const onProgress = (height: number): void => progress.update(() => `looking for ${what}, height ${height}`);
    for await (const chain of this.#chains()) {
      try {
        yield* look(chain, onProgress);
      } catch (error) {
        session.signal.throwIfAborted();
        if (!isOfOneThing(error)) throw error;
        unseen.add(`chains/${chain}/`, error);
      }
    }
    progress.clear();
  }

  async *#chains(): AsyncGenerator<string> {
    const { store, unseen } = this;
    const only = await this.chainId();
    if (only !== undefined) yield only;
    else
      for await (const { id, error } of listChains(store, { onUnseen: unseen.add })) {
        yield id;
        if (error !== undefined) unseen.add(`chains/${id}/`, error);
      }
  }

  /** Id of the chain named. */
  async chainId(): Promise<string | undefined> {
    if (this.#chain !== undefined) this.#id ??= (await this.session.chain(this.store, this.#chain)).id;
    return this.#id;
  }

  /** Undefined where nothing lies, or what lies there cannot be read. */
  async find(key: string): Promise<Buffer | undefined> {
    try {
      return await this.store.find(key);
    } catch (error) {
      this.unseen.add(key, error);
      return undefined;
    }
  }
}

/**
 * Finds a block by its id, or a blob by its event id or hash, in the chain named or else in all chains. Ids may be written as `readId` takes
 * them, or be the first 8 or more digits. Skips what is damaged or cannot be read, and reports it to the session.
 * @throws OBJECT_MISSING where it was looked for everywhere; SEARCH_INCOMPLETE where it may be hidden; USAGE for a text that is not an id, or is the
 * beginning of several; CHAIN_DAMAGED for a block of which no copy is what its id says
 */
export async function findThing(session: Session, store: Store, text: string, chain: string | undefined): Promise<Thing> {
  const read = readId(text);
  if (read.kind === 'wrong') throw new BlockhubError('USAGE', `${quoted(text)} is not a block id, event id or hash: it ${read.wrong}`);
  const search = new Search(session, store, chain);
  return read.kind === 'prefix' ? findByPrefix(search, read, chain) : findById(search, read);
}

async function findById(search: Search, { hash, event }: WantedReceipt): Promise<Thing> {
  const copy = hash === undefined ? undefined : await findCopy(search, hash);
  if (copy && 'kind' in copy) return copy;
  // 32 digits can be an event id as well, which is found at once.
  const byEvent = event === undefined ? undefined : await findReceipt(search, { event });
  if (byEvent) return byEvent;
  const byHash = hash === undefined ? undefined : await findInChains(search, hash);
  if (byHash) return byHash;
  const lost =
    search.unseen.count === 0 ? undefined : await findInCopies(search, { ...(hash ? { hash } : {}), ...(event ? { event } : {}) });
  if (lost) return lost;
  if (copy) throw copy;
  const key = hash === undefined ? undefined : blobKey(hash);
  const bytes = key !== undefined && search.inAll ? await search.find(key) : undefined;
  if (key !== undefined && bytes) return { kind: 'object', key, bytes };
  const id = event ?? hash ?? '';
  throw search.unseen.notFound(id, new BlockhubError('OBJECT_MISSING', `nothing in ${search.where} has the id ${id}`, { details: { id } }));
}

/** The block from its copy, else from the entry of the height that a damaged copy names, else the error of the damaged copy. */
async function findCopy(search: Search, id: string): Promise<Thing | BlockhubError | undefined> {
  const bytes = await search.find(blockKey(id));
  if (!bytes) return undefined;
  const { block, tail, faults } = checkBlock(bytes, { id });
  if (block && faults.length === 0) return { kind: 'block', block, bytes };
  const why = faults.map(({ message }) => message).join(', ');
  const error = new BlockhubError('CHAIN_DAMAGED', `${blockKey(id)} ${why}`);
  search.unseen.add(blockKey(id), new BlockhubError('CHAIN_DAMAGED', `it ${why}`));
  const entry = tail && (await search.find(entryKey(tail.chain, tail.height)));
  return (entry && blockOf(entry, id)) ?? error;
}

function blockOf(bytes: Buffer, id: string): Thing | undefined {
  const { block, faults } = checkBlock(bytes, { id });
  return block && faults.length === 0 ? { kind: 'block', block, bytes } : undefined;
}

/** The first receipt whose bytes are right; when none are, the first receipt. */
async function firstGood(search: Search, receipts: AsyncIterable<FoundReceipt>): Promise<Thing | undefined> {
  let first: Thing | undefined;
  for await (const found of receipts) {
    const bytes = await blobBytes(search.store, found).catch((error: unknown) => {
      search.unseen.add(found.receipt.at.key, error);
      return undefined;
    });
    if (bytes) return { kind: 'blob', ...found, bytes };
    first ??= { kind: 'blob', ...found };
  }
  return first;
}

function findReceipt(search: Search, wanted: WantedReceipt): Promise<Thing | undefined> {
  const { session, store, unseen } = search;
  const look = (chain: string, onProgress: (height: number) => void): AsyncIterable<FoundReceipt> =>
    findReceipts(store, chain, wanted, { signal: session.signal, onProgress, onUnseen: unseen.add });
  return firstGood(search, search.each(look, wanted.event ?? wanted.hash ?? ''));
}

/** By reading the chains: a blob with this hash, or a block whose copy is missing or damaged. */
async function findInChains(search: Search, hash: string): Promise<Thing | undefined> {
  const { session, store, unseen } = search;
  const look = (chain: string, onProgress: (height: number) => void): AsyncIterable<Block> =>
    readBlocks(store, chain, { signal: session.signal, onProgress, onUnseen: unseen.add });
  let block: Thing | undefined;
  async function* receipts(): AsyncGenerator<FoundReceipt> {
    for await (const one of search.each(look, hash)) {
      const entry = one.id === hash ? await search.find(entryKey(one.chain, one.height)) : undefined;
      block = entry && blockOf(entry, hash);
      if (block) return;
      yield* receiptsIn(one, { hash });
    }
  }
  const blob = await firstGood(search, receipts());
  return block ?? blob;
}

/** In blocks whose entries could not be looked at, such as the newest one, whose copy no other block names. */
function findInCopies(search: Search, wanted: WantedReceipt): Promise<Thing | undefined> {
  const { session, store, unseen } = search;
  async function* receipts(): AsyncGenerator<FoundReceipt> {
    const copies = readCopies(store, { chain: await search.chainId(), signal: session.signal, onUnseen: unseen.add });
    for await (const block of copies) yield* receiptsIn(block, wanted);
  }
  return firstGood(search, receipts());
}

/**
 * The only thing whose id begins so. Blocks come first, and cost one listing; only where no block's id begins so are own objects listed and
 * the chains read, for blobs and events.
 */
async function findByPrefix(search: Search, read: ReadId & { kind: 'prefix' }, chain: string | undefined): Promise<Thing> {
  const { session, store, unseen } = search;
  const { hash, event } = read;
  const prefix = hash ?? event ?? '';
  const blocks = hash === undefined ? [] : await take(blocksFrom(store, hash, { onUnseen: unseen.add }));
  if (blocks.length > 1) throw ambiguous(prefix, 'blocks', blocks);
  if (blocks[0] !== undefined) return findById(search, { hash: blocks[0] });
  const found = new Set(hash !== undefined && search.inAll ? await take(blobsFrom(search, hash)) : []);
  const options = { signal: session.signal, onUnseen: unseen.add };
  const ofBlock = (block: Block): string[] => [
    ...(hash !== undefined && block.id.startsWith(hash) ? [block.id] : []),
    ...[...receiptsIn(block, wanted)].flatMap(({ receipt }) => idsOf(receipt, hash, event)),
  ];
  const wanted = { ...(hash ? { hash } : {}), ...(event ? { event } : {}), isPrefix: true };
  async function* look(id: string, onProgress: (height: number) => void): AsyncGenerator<string> {
    // The id of an event has its time, and no earlier block can have the event.
    if (hash === undefined)
      for await (const { receipt } of findReceipts(store, id, wanted, { ...options, onProgress })) yield* idsOf(receipt, hash, event);
    else for await (const block of readBlocks(store, id, { ...options, onProgress })) yield* ofBlock(block);
  }
  for await (const id of search.each(look, `${prefix}…`)) if (found.add(id).size > MOST_CANDIDATES) break;
  const [first] = found;
  if (found.size > 1) throw ambiguous(prefix, 'blobs or events', [...found].sort());
  if (first !== undefined) return findThing(session, store, first, chain);
  const shown = `an id that begins with ${prefix}`;
  const absent = new BlockhubError('OBJECT_MISSING', `nothing in ${search.where} has ${shown}`, { details: { prefix } });
  throw unseen.notFound(
    shown,
    read.wrong === undefined ? absent : new BlockhubError('USAGE', `${prefix} is not an id, and no id begins with it: it ${read.wrong}`),
  );
}

/** Which of its ids begin so. */
const idsOf = (receipt: Receipt, hash: string | undefined, event: string | undefined): string[] => [
  ...(event !== undefined && receipt.event.startsWith(event) ? [receipt.event] : []),
  ...[receipt.hash, receipt.sha256].filter((one) => hash !== undefined && one?.startsWith(hash)).filter((one) => one !== undefined),
];

async function* blobsFrom({ store, unseen }: Search, prefix: string): AsyncGenerator<string> {
  const idIn = (key: string): string | undefined => /^blobs\/([0-9a-f]{64})\.blob$/.exec(key)?.[1];
  const onUnseen = (key: string, error: unknown): void => {
    if (key === 'blobs/' || idIn(key)?.startsWith(prefix)) unseen.add(key, error);
  };
  for await (const { key } of store.list(`blobs/${prefix}`, { onUnseen })) {
    const id = idIn(key);
    if (id !== undefined) yield id;
  }
}

/** One more than are shown. */
async function take<T>(items: AsyncIterable<T>): Promise<T[]> {
  const taken: T[] = [];
  for await (const item of items) if (taken.push(item) > MOST_CANDIDATES) break;
  return taken;
}

/** The bytes of what was found. Those of a blob are checked. */
export async function bytesOf(store: Store, thing: Thing): Promise<Buffer> {
  return thing.bytes ?? (await blobBytes(store, thing as FoundReceipt));
}
