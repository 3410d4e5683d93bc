import { BlockhubError, hasCode } from '@blockhub/errors';
import type { OnUnseen, Store } from '@blockhub/store';
import { AddressSet } from './addresses.ts';
import { formatKey, hashSecret } from './key.ts';

// A key and its revocation are two objects in the bucket, both written once. So a wiped registry
// changes neither, and the bucket may be protected against replacing and removing.

/** An API key without its secret. */
export interface KeyRecord {
  readonly id: string;
  /** SHA-256 of the secret, hex. */
  readonly hash: string;
  /** Whose key it is, for the operator. */
  readonly label?: string;
  /** Ids of the chains that it may append to. If absent, all chains. */
  readonly chains?: readonly string[];
  /** Addresses that it may be used from, as `AddressSet` takes them. If absent, all addresses. */
  readonly sources?: readonly string[];
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** Milliseconds since 1970. The key is refused from then on. If absent, it does not expire. */
  readonly expiresAt?: number;
}

export interface Revocation {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly reason?: string;
}

export interface KnownKey {
  readonly record: KeyRecord;
  readonly sources?: AddressSet;
  readonly revoked?: Revocation;
}

export interface KeyOptions extends Pick<KeyRecord, 'label' | 'chains' | 'sources' | 'expiresAt'> {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** 40 bytes that cannot be guessed. */
  readonly random: Buffer;
}

const FOLDER = 'keys/';
const recordKey = (id: string): string => `${FOLDER}${id}.key`;
const revocationKey = (id: string): string => `${FOLDER}${id}.revoked`;
const isId = (id: string): boolean => /^[0-9a-f]{16}$/.test(id);

/**
 * Creates a key, and returns its text, which is not stored.
 * @throws RangeError for malformed sources; the errors of the store
 */
export async function createKey(store: Store, options: KeyOptions): Promise<{ readonly key: string; readonly record: KeyRecord }> {
  const { now, random, label, chains, sources, expiresAt } = options;
  if (random.length !== 40) throw new RangeError('a key needs 40 random bytes');
  if (sources) setOf(sources, (what) => new RangeError(`sources: ${what}`));
  const { id, secret, text } = formatKey(random);
  const record: KeyRecord = {
    id,
    hash: hashSecret(secret),
    ...(label === undefined ? {} : { label }),
    ...(chains === undefined ? {} : { chains }),
    ...(sources === undefined ? {} : { sources }),
    createdAt: now,
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
  if ((await store.create(recordKey(id), encode(record))) === 'exists')
    throw new BlockhubError('OBJECT_EXISTS', `another key has the id ${id}`, { details: { id } });
  return { key: text, record };
}

/** The key with this id as the store has it now, or undefined. @throws KEY_DAMAGED */
export async function findKey(store: Store, id: string): Promise<KnownKey | undefined> {
  if (!isId(id)) return undefined;
  const [bytes, revocation] = await Promise.all([store.find(recordKey(id)), store.find(revocationKey(id))]);
  if (bytes === undefined) return undefined;
  const record = readRecord(id, bytes);
  const sources = record.sources && { sources: setOf(record.sources, () => damaged(id)) };
  return { record, ...sources, ...(revocation !== undefined && { revoked: readRevocation(revocation) }) };
}

/**
 * Lists the ids of all keys in order, also of those that are damaged, revoked or cannot be read.
 * Other objects are skipped.
 * @param options.onUnseen called if the list may have gaps; without it, a gap ends the listing
 */
export async function* listKeys(store: Store, { onUnseen }: { onUnseen?: OnUnseen } = {}): AsyncGenerator<string> {
  const idIn = (key: string): string | undefined => /^keys\/([0-9a-f]{16})\.key$/.exec(key)?.[1];
  const hidden: string[] = [];
  const hide: OnUnseen = (key, error) => {
    const id = idIn(key);
    if (id !== undefined) hidden.push(id);
    else if (key === FOLDER && !onUnseen) throw error;
    // A folder or revocation that cannot be opened hides no key.
    else if (key === FOLDER) onUnseen?.(key, error);
  };
  try {
    for await (const { key } of store.list(FOLDER, { onUnseen: hide })) {
      yield* hidden.splice(0);
      const id = idIn(key);
      if (id !== undefined) yield id;
    }
  } catch (error) {
    // If the store does not answer, the list is not merely incomplete.
    if (!onUnseen || !(hasCode(error, 'STORE_DENIED') || hasCode(error, 'STORE_UNUSABLE'))) throw error;
    onUnseen(FOLDER, error);
  }
  yield* hidden;
}

/** The id of a key, typed in capitals, or with blanks, quotes or braces around it. */
export function keyIdOf(text: string): string {
  const id = text.replace(/^[\s"'`{(<[]+|[\s"'`})>\],;]+$/g, '').toLowerCase();
  return isId(id) ? id : text;
}

/** Revokes damaged keys too. Gives the first revocation, which stays. @throws KEY_NOT_FOUND */
export async function revokeKey(store: Store, id: string, revocation: Revocation): Promise<Revocation> {
  // The text is not repeated: it may be a key with its secret.
  if (!isId(id)) throw new BlockhubError('KEY_NOT_FOUND', 'this is not the id of a key; expected 16 hex digits');
  if ((await store.find(recordKey(id))) === undefined)
    throw new BlockhubError('KEY_NOT_FOUND', `there is no key with the id ${id}`, { details: { id } });
  if ((await store.create(revocationKey(id), encode(revocation))) !== 'exists') return revocation;
  return readRevocation(await store.get(revocationKey(id)));
}

const encode = (value: object): Buffer => Buffer.from(`${JSON.stringify(value)}\n`);

function readRecord(id: string, bytes: Buffer): KeyRecord {
  const value = parse(bytes) as Partial<KeyRecord> | undefined;
  if (value?.id !== id || typeof value.hash !== 'string' || !/^[0-9a-f]{64}$/.test(value.hash) || !isTime(value.createdAt))
    throw damaged(id);
  // The limits of a key must be readable, or a key for one chain would become a key for all.
  // Unknown fields may be limits of a later version.
  const { chains, sources, expiresAt, label, ...rest } = value;
  if (Object.keys(rest).some((name) => !['id', 'hash', 'createdAt'].includes(name))) throw damaged(id);
  for (const list of [chains, sources])
    if (list !== undefined && !(Array.isArray(list) && list.every((item) => typeof item === 'string'))) throw damaged(id);
  if (expiresAt !== undefined && !isTime(expiresAt)) throw damaged(id);
  if (label !== undefined && typeof label !== 'string') throw damaged(id);
  return value as KeyRecord;
}

function setOf(items: readonly string[], error: (what: string) => Error): AddressSet {
  return new AddressSet(items, (what) => {
    throw error(what);
  });
}

/** A damaged revocation revokes too: only its existence counts. */
function readRevocation(bytes: Buffer): Revocation {
  const value = parse(bytes) as Partial<Revocation> | undefined;
  return { at: isTime(value?.at) ? value.at : 0, ...(typeof value?.reason === 'string' ? { reason: value.reason } : {}) };
}

const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}

const damaged = (id: string): BlockhubError =>
  new BlockhubError('KEY_DAMAGED', `the object ${recordKey(id)} is not a valid key`, { details: { id } });
