import { canonicalJson, demand, isCount, isObject, Malformed, readJson } from './canonical.ts';
import { timeOrMinus } from './event.ts';
import { cryptOf, hashOf, isHash } from './hash.ts';
import { wrongItem } from './item.ts';
import { isChainName, MAX_HEIGHT } from './keys.ts';
import type { BlobItem, Block, ChainSettings, RootOptions } from './types.ts';

/** A root's line begins so. A link's line does not, because a link has blobs. */
const ROOT_START = '{"blobs":[],"chain":null,"crypt":"';

export interface LinkLine {
  chain: string;
  height: number;
  prev: string;
  prevSha256?: string | undefined;
  time: number;
  blobs: readonly BlobItem[];
}

/** A block without what the second line adds. */
export type Header = Omit<Block, 'blobs'> & { items: readonly BlobItem[] };

function encodeItems(items: readonly BlobItem[]): string {
  let text = '';
  let before = '';
  for (let index = 0; index < items.length; index++) {
    const item = items[index] as BlobItem;
    const wrong = wrongItem(item);
    if (wrong) throw new Malformed(`/blobs/${index}${wrong[0]}`, wrong[1]);
    if (item.event <= before) throw new Malformed(`/blobs/${index}/event`, item.event === before ? 'occurs twice' : 'is out of order');
    before = item.event;
    const sha256 = item.sha256 === undefined ? '' : `,"sha256":"${item.sha256}"`;
    text += `${index === 0 ? '' : ','}{"crypt":"${item.crypt}","event":"${before}","hash":"${item.hash}","length":${item.length}${sha256}}`;
  }
  return text;
}

/**
 * The first line of a link block. Every value is checked before it is put between quotes, so
 * nothing needs escaping. The reader has no checks of its own: it encodes what it read and
 * compares.
 */
export function encodeLink({ chain, height, prev, prevSha256, time, blobs }: LinkLine): string {
  demand(isHash(chain), '/chain', 'must be an id');
  const crypt = cryptOf(chain);
  demand(isHash(prev, crypt), '/prev', 'must be an id like the chain');
  demand(
    crypt === 'md5' ? isHash(prevSha256, 'sha256') : prevSha256 === undefined,
    '/prevSha256',
    'must be set on md5 chains, and only there',
  );
  demand(isCount(height) && height >= 1 && height <= MAX_HEIGHT, '/height', `must be 1 to ${MAX_HEIGHT}`);
  demand((height === 1) === (prev === chain), '/prev', 'must be the chain itself at height 1, and only there');
  demand(Array.isArray(blobs) && blobs.length > 0, '/blobs', 'must not be empty');
  const items = encodeItems(blobs);
  demand(
    isCount(time) && time >= timeOrMinus((blobs.at(-1) as BlobItem).event),
    '/time',
    'must be milliseconds, not before the newest event',
  );
  const beside = prevSha256 === undefined ? '' : `,"prevSha256":"${prevSha256}"`;
  return `{"blobs":[${items}],"chain":"${chain}","height":${height},"prev":"${prev}"${beside},"time":${time},"v":1}`;
}

function checkSettings(settings: ChainSettings): void {
  demand(isObject(settings), '/settings', 'must be an object');
  for (const [name, value] of Object.entries(settings))
    demand(name === 'requests' && typeof value === 'boolean', `/settings/${name}`, 'is not a setting of chains, or not a boolean');
}

/** The first line of a root. */
export function encodeRoot({ crypt = 'sha256', salt, time, name, payload, settings = {} }: RootOptions): string {
  demand(crypt === 'sha256' || crypt === 'md5', '/crypt', 'must be sha256 or md5');
  demand(isHash(salt, 'md5'), '/salt', 'must be 32 lower-case hex digits');
  demand(isCount(time), '/time', 'must be milliseconds');
  const nameRule = 'must be 1 to 63 of a-z 0-9 . _ - beginning with a letter or digit, and must not look like an id';
  demand(name === undefined || (typeof name === 'string' && isChainName(name)), '/name', nameRule);
  checkSettings(settings);
  const beside = `${name === undefined ? '' : `,"name":"${name}"`}${payload === undefined ? '' : `,"payload":${canonicalJson(payload, '/payload')}`}`;
  return `${ROOT_START}${crypt}","height":0${beside},"prev":null,"salt":"${salt}","settings":${canonicalJson(settings)},"time":${time},"v":1}`;
}

function demandSame(text: string, encoded: string): void {
  if (text === encoded) return;
  let same = 0;
  while (text[same] === encoded[same]) same++;
  throw new Malformed('', `does not have the one valid form of its fields, from character ${same} on`);
}

function readRoot(text: string, line: RootOptions, bytes: Uint8Array): Header {
  demandSame(text, encodeRoot(line));
  const { crypt = 'sha256', salt, time, name, payload, settings = {} } = line;
  const id = hashOf(crypt, bytes);
  const root = { crypt, salt, ...(name !== undefined && { name }), ...(payload !== undefined && { payload }), settings };
  return {
    id,
    chain: id,
    prev: null,
    height: 0,
    time,
    crypt,
    items: [],
    ...(crypt === 'md5' && { sha256: hashOf('sha256', bytes) }),
    root,
  };
}

function readLink(text: string, line: LinkLine, bytes: Uint8Array): Header {
  demandSame(text, encodeLink(line));
  const { chain, prev, prevSha256, height, time, blobs: items } = line;
  const crypt = cryptOf(chain);
  const header: Header = { id: hashOf(crypt, bytes), chain, prev, height, time, crypt, items };
  if (crypt === 'sha256') return header;
  return { ...header, sha256: hashOf('sha256', bytes), ...(prevSha256 !== undefined && { prevSha256 }) };
}

/**
 * Reads a first line (without its newline), given as bytes and as the same text. It encodes what it
 * read and compares. This finds white space, floats, and unknown, doubled or unsorted keys.
 */
export function readLine(text: string, bytes: Uint8Array): Header {
  const line = readJson(text, '');
  demand(isObject(line), '', 'must be an object');
  demand(line.v === 1, '/v', 'must be 1');
  // The encoders check what the types promise here.
  return text.startsWith(ROOT_START)
    ? readRoot(text, line as unknown as RootOptions, bytes)
    : readLink(text, line as unknown as LinkLine, bytes);
}

/** The hash function of the block with this first line, of which it reads only the ends. */
export function cryptOfLine(bytes: Buffer): 'sha256' | 'md5' | undefined {
  const start = bytes.toString('latin1', 0, ROOT_START.length + 7);
  if (start.startsWith(ROOT_START)) return start.endsWith('sha256"') ? 'sha256' : start.includes('"md5"') ? 'md5' : undefined;
  const end = bytes.toString('latin1', Math.max(0, bytes.length - 256));
  const prev = /"prev":"([0-9a-f]+)"(?:,"prevSha256":"[0-9a-f]{64}")?,"time":[0-9]+,"v":1\}$/.exec(end)?.[1];
  return isHash(prev) ? cryptOf(prev) : undefined;
}
