const nameForm = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const hexForm = /^(?:[0-9a-f]{32}|[0-9a-f]{64})$/;
const entryForm = /^chains\/[0-9a-f]{32,64}\/([0-9]{12})\.block$/;

/** The largest height: twelve digits, so that keys sort as heights do. */
export const MAX_HEIGHT = 999_999_999_999;

/** A chain's name: 1 to 63 of `a-z 0-9 . _ -`, not beginning with a sign, and not to be mistaken for an id. */
export const isChainName = (text: string): boolean => nameForm.test(text) && !hexForm.test(text);

/** A block's own object. */
export const blockKey = (id: string): string => `blocks/${id}.block`;

/** The chain's block at this height. Creating it, if absent, is what makes a block part of the chain. */
export const entryKey = (chain: string, height: number): string => `${chainPrefix(chain)}${String(height).padStart(12, '0')}.block`;

/** Where the entries of a chain lie. */
export const chainPrefix = (chain: string): string => `chains/${chain}/`;

/** One blob as an object of its own; `hash` is its sha256, also on md5 chains: two blobs can be made to share an md5. */
export const blobKey = (hash: string): string => `blobs/${hash}.blob`;

/** Many blobs in one object; `hash` is the sha256 of the pack's bytes. */
export const packKey = (hash: string): string => `packs/${hash}.pack`;

/** Holds the root block of the chain that owns the name. */
export const nameKey = (name: string): string => `names/${name}.block`;

/** The height of an entry's key; undefined for any other key. */
export function heightOfKey(key: string): number | undefined {
  const digits = entryForm.exec(key)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
