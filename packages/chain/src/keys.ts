const nameForm = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const hexForm = /^(?:[0-9a-f]{32}|[0-9a-f]{64})$/;
const entryForm = /^chains\/[0-9a-f]{32,64}\/([0-9]{12})\.block$/;

/** The largest height: twelve digits, so that keys sort like heights. */
export const MAX_HEIGHT = 999_999_999_999;

/** A name: 1 to 63 of `a-z 0-9 . _ -`, beginning with a letter or digit, and not like an id. */
export const isChainName = (text: string): boolean => nameForm.test(text) && !hexForm.test(text);

/** The key of a block's own object. */
export const blockKey = (id: string): string => `blocks/${id}.block`;

/** The key of the chain's entry at this height. Creating it makes a block part of the chain. */
export const entryKey = (chain: string, height: number): string => `${chainPrefix(chain)}${String(height).padStart(12, '0')}.block`;

/** The prefix of a chain's entries. */
export const chainPrefix = (chain: string): string => `chains/${chain}/`;

/** `hash` is the blob's sha256, also on md5 chains, where two blobs may share an md5. */
export const blobKey = (hash: string): string => `blobs/${hash}.blob`;

/** `hash` is the sha256 of the pack's bytes. */
export const packKey = (hash: string): string => `packs/${hash}.pack`;

/** The key of the root block of the chain with this name. */
export const nameKey = (name: string): string => `names/${name}.block`;

/** Undefined for a key that is not of an entry. */
export function heightOfKey(key: string): number | undefined {
  const digits = entryForm.exec(key)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
