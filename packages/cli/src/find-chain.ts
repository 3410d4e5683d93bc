import { readChain } from '@blockhub/chain';
import { BlockhubError, hasCode, quote } from '@blockhub/errors';
import type { OnUnseen, Store } from '@blockhub/store';
import { type ChainRecord, findChain, getChain, listChains, noChain, SkippedObjects } from '@blockhub/walker';

/** Candidates that an error shows. */
export const MOST_CANDIDATES = 10;

/**
 * The chain with this id, name, or beginning of an id. The name's object is read first, then the
 * ids are listed, and at last the roots of all chains are read, with two requests each.
 * @throws CHAIN_NOT_FOUND; USAGE if several ids begin so, or for a typing error; SEARCH_INCOMPLETE
 */
export async function findNamedChain(store: Store, text: string, onUnseen: OnUnseen): Promise<ChainRecord> {
  const options = { onUnseen };
  const { prefix } = readChain(text);
  if (prefix === undefined) return getChain(store, text, { ...options, scan: true });
  const named = await findChain(store, text, options).catch((error: unknown) => {
    if (!hasCode(error, 'SEARCH_INCOMPLETE')) throw error;
  });
  return named ?? (await findByPrefix(store, text, prefix, onUnseen)) ?? getChain(store, text, { ...options, scan: true });
}

async function findByPrefix(store: Store, text: string, prefix: string, onUnseen: OnUnseen): Promise<ChainRecord | undefined> {
  const skipped = new SkippedObjects(onUnseen);
  const found: ChainRecord[] = [];
  for await (const chain of listChains(store, { prefix, onUnseen: skipped.add })) if (found.push(chain) > MOST_CANDIDATES) break;
  const [only, another] = found;
  // A text that may be a name is searched in the roots as well.
  if (!only && skipped.count > 0 && readChain(text).name === undefined) throw skipped.notFound(`chain ${quote(text)}`, noChain(text));
  if (!another) return only;
  const shown = found.map(({ id, name }) => (name === undefined ? id : `${id} (${name})`));
  throw ambiguous(prefix, 'chains', shown);
}

/** @param candidates up to one more than are shown */
export function ambiguous(prefix: string, what: string, candidates: readonly string[]): BlockhubError {
  const more = candidates.length > MOST_CANDIDATES ? '\n  and more' : '';
  const lines = candidates.slice(0, MOST_CANDIDATES).map((one) => `\n  ${one}`);
  return new BlockhubError('USAGE', `the ids of several ${what} begin with ${prefix}; write more digits:${lines.join('')}${more}`, {
    details: { prefix },
  });
}

export async function findDefaultChain(store: Store, onUnseen: OnUnseen): Promise<ChainRecord> {
  const byName = await findChain(store, 'default', { onUnseen });
  if (byName) return byName;
  const skipped = new SkippedObjects(onUnseen);
  const some: ChainRecord[] = [];
  for await (const chain of listChains(store, { onUnseen: skipped.add })) if (some.push(chain) > 1) break;
  const [only, another] = some;
  if (another) throw new BlockhubError('USAGE', 'the store has several chains, and none is named default; write the name or id of one');
  if (only) return only;
  throw skipped.notFound('a chain', emptyStore(store));
}

export const emptyStore = ({ url }: Store): BlockhubError =>
  new BlockhubError('CHAIN_NOT_FOUND', `the store ${url} has no chain`, { details: { store: url } });
