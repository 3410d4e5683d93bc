import { readChain } from '@blockhub/chain';
import { BlockhubError, hasCode } from '@blockhub/errors';
import type { Store } from '@blockhub/store';
import { type ChainRecord, findChain, getChain, listChains, Unseen } from '@blockhub/walker';
import type { Session } from './session.ts';

/** Candidates that are shown of an ambiguous beginning. */
export const MOST_CANDIDATES = 10;

/**
 * The chain with this id, name, or unique beginning of an id. A name that is there comes before a beginning.
 * @throws CHAIN_NOT_FOUND; USAGE for a beginning of several ids, and for an id that is damaged; SEARCH_INCOMPLETE
 */
export async function findNamedChain(session: Session, store: Store, text: string): Promise<ChainRecord> {
  try {
    return await getChain(store, text, { scan: true, onUnseen: session.unseen.add });
  } catch (error) {
    const { prefix } = readChain(text);
    if (prefix === undefined || !isAbout(error)) throw error;
    const found = await findByPrefix(session, store, prefix, error);
    if (!found) throw error;
    return found;
  }
}

/** It says that there is no such chain, or that nobody can tell, but not that the store is away. */
const isAbout = (error: unknown): error is BlockhubError =>
  hasCode(error, 'CHAIN_NOT_FOUND') || hasCode(error, 'SEARCH_INCOMPLETE') || hasCode(error, 'USAGE');

async function findByPrefix(session: Session, store: Store, prefix: string, absent: BlockhubError): Promise<ChainRecord | undefined> {
  const unseen = new Unseen(session.unseen.add);
  const found: ChainRecord[] = [];
  for await (const chain of listChains(store, { prefix, onUnseen: unseen.add })) if (found.push(chain) > MOST_CANDIDATES) break;
  const [only, another] = found;
  if (!only && unseen.count > 0) throw unseen.notFound(`a chain whose id begins with ${prefix}`, absent);
  if (!another) return only;
  throw ambiguous(
    prefix,
    'chains',
    found.map(({ id, name }) => (name === undefined ? id : `${id} (${name})`)),
  );
}

/** @param candidates one more than are shown where there are more */
export function ambiguous(prefix: string, what: string, candidates: readonly string[]): BlockhubError {
  const more = candidates.length > MOST_CANDIDATES ? '\n  and more' : '';
  const lines = candidates.slice(0, MOST_CANDIDATES).map((one) => `\n  ${one}`);
  return new BlockhubError('USAGE', `the ids of several ${what} begin with ${prefix}; write more digits:${lines.join('')}${more}`, {
    details: { prefix },
  });
}

/** The chain named `default`, else the only one. */
export async function findDefaultChain(session: Session, store: Store): Promise<ChainRecord> {
  const byName = await findChain(store, 'default', { onUnseen: session.unseen.add });
  if (byName) return byName;
  const unseen = new Unseen(session.unseen.add);
  const some: ChainRecord[] = [];
  for await (const chain of listChains(store, { onUnseen: unseen.add })) if (some.push(chain) > 1) break;
  const [only, another] = some;
  if (another) throw new BlockhubError('USAGE', 'the store has several chains and none is named default: say which');
  if (only) return only;
  throw unseen.notFound('a chain', session.noChain(store));
}
