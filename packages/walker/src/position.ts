import { blockKey, checkBlock, entryKey, MAX_HEIGHT, readId } from '@blockhub/chain';
import { readTime } from '@blockhub/clock';
import { BlockhubError, quote } from '@blockhub/errors';
import type { OnUnseen, Store } from '@blockhub/store';
import { blockIds } from './block-ids.ts';
import { firstNotBefore } from './find-time.ts';
import { readBlocks } from './read-blocks.ts';
import { SkippedObjects } from './skipped-objects.ts';
import { findNewest } from './tail.ts';
import type { Position } from './types.ts';

const FORMS = 'a height, -count from the tail, a block id, or a time such as 2026-05-01T12:00:00Z';
/** A longer number is most likely a time. */
const HEIGHT_DIGITS = 9;
/** As in the key of an entry, with leading zeros. */
const ENTRY_HEIGHT = /^0\d{11}$/;
/** `digits`: minimum digits of a present time in this unit. Longest first. */
const units = [
  { name: 'nanoseconds', digits: 18, perMs: 1_000_000 },
  { name: 'microseconds', digits: 15, perMs: 1_000 },
  { name: 'milliseconds', digits: 12, perMs: 1 },
  { name: 'seconds', digits: 10, perMs: 0.001 },
];
/** A later number is most likely not a time. */
const MAX_TIME = Date.UTC(3000);
const MAX_DIGITS = 20;

const usage = (text: string, what: string): BlockhubError =>
  new BlockhubError('USAGE', `${quote(text)} ${what}`, { details: { position: text } });

/**
 * Reads a height: up to nine digits, or twelve with leading zeros, as in the key of an entry.
 * @throws USAGE, also for a longer number: it is most likely a time, which the message then shows
 */
export function parseHeight(text: string): number {
  if (!/^[0-9]+$/.test(text)) throw usage(text, 'is not a height; expected a whole number of 0 or more, in digits 0 to 9');
  if (text.length <= HEIGHT_DIGITS || ENTRY_HEIGHT.test(text)) return Number(text);
  throw tooLarge(text);
}

/** A height in the form that `parseHeight` reads. */
export const heightText = (height: number): string =>
  height < 10 ** HEIGHT_DIGITS ? String(height) : String(height).padStart(String(MAX_HEIGHT).length, '0');

function tooLarge(text: string): BlockhubError {
  const { name, perMs } = units.find(({ digits }) => text.length >= digits) ?? { name: '', perMs: 1 };
  const ms = Number(text) / perMs;
  const isTime = name !== '' && text.length <= MAX_DIGITS && ms <= MAX_TIME;
  const hint = isTime ? `: if it is a time in ${name}, write ${new Date(ms).toISOString()}` : '';
  return usage(text, `is too large for a height, which has at most ${HEIGHT_DIGITS} digits${hint}`);
}

/**
 * `7` is a height. `-1` is the tail and `-10` the tenth block from the end. `2026-05-01T12:00:00Z`
 * or `2026-05-01` (00:00 UTC) is a time in a form of `readTime`. Hex digits are a block id in a
 * form of `readId`, or its first 8 or more digits. Decimal digits alone are a height; with
 * `sha256:` before them they are the beginning of an id.
 * @throws USAGE for anything else; the message says what is wrong
 */
export function parsePosition(text: string): Position {
  if (/^[0-9]+$/.test(text) && (text.length <= MAX_DIGITS || text.length === 0)) return { height: parseHeight(text) };
  if (/^-[0-9]+$/.test(text)) return { fromTail: parseCount(text) };
  if (text.trim() === '') throw usage(text, `is empty; expected ${FORMS}`);
  if (/^\+[0-9]+$/.test(text)) throw usage(text, `has a plus sign; expected ${text.slice(1)} for the height`);
  if (/^[+-]?[0-9]{4,}-[0-9]/.test(text) && !/^[0-9a-f]{8}-[0-9a-f]{4}-/i.test(text)) return { time: parseTime(text) };
  const read = readId(text);
  if (read.kind === 'wrong') {
    if (read.meant) throw usage(text, `is not a block id: it ${read.wrong}`);
    if (/^[+-]?[0-9][0-9._,' eExX+-]*$/.test(text.trim()) || /^[\p{Nd}\s]+$/u.test(text))
      throw usage(text, `is not a number in digits 0 to 9; expected ${FORMS}`);
    if (/^[0-9]{4}|[0-9]:[0-9]/.test(text.trim())) return { time: parseTime(text) };
    throw usage(text, `is not a position; expected ${FORMS}`);
  }
  if (read.hash === undefined) throw usage(text, `is an event id; expected ${FORMS}. \`blockhub info\` shows the block of an event`);
  if (read.kind === 'id') return { id: read.hash };
  return { idPrefix: read.hash, ...(read.wrong === undefined ? {} : { wrong: read.wrong }) };
}

function parseCount(text: string): number {
  const count = Number(text.slice(1));
  if (count === 0) throw usage(text, 'is a count of zero; expected -1 for the tail, -2 for the block before it');
  if (text.length - 1 <= HEIGHT_DIGITS) return count;
  throw usage(text, `is too large for a count from the tail, which has at most ${HEIGHT_DIGITS} digits`);
}

function parseTime(text: string): number {
  const read = readTime(text);
  if ('ms' in read) return read.ms;
  throw usage(text, read.wrong);
}

function positionOf(position: Position | number | string): Position {
  if (typeof position === 'string') return parsePosition(position);
  if (typeof position !== 'number') return position;
  if (!Number.isSafeInteger(position)) throw usage(String(position), `is not a whole number; expected ${FORMS}`);
  return position < 0 ? { fromTail: -position } : { height: position };
}

/**
 * The height of a position.
 * - A time as `from` is the first block with at least that time, which may be one above the tail.
 * - A time as `to` is the last block with at most that time, which may be −1.
 * - If damage leaves several heights possible, it is the lowest as `from`, and the highest as `to`,
 *   so that no block of that time is left out.
 * - A count beyond the root is the root.
 * @param onUnseen called for each skipped object
 * @throws OBJECT_MISSING if the chain has no block with the id; SEARCH_INCOMPLETE if objects were
 * skipped that may hold it; USAGE if the ids of several blocks begin with the prefix;
 * CHAIN_NOT_FOUND
 */
export async function findHeight(
  store: Store,
  chain: string,
  at: Position | number | string,
  side: 'from' | 'to',
  onUnseen?: OnUnseen,
): Promise<number> {
  const position = positionOf(at);
  if ('height' in position) return position.height;
  if ('id' in position) return heightOfId(store, chain, position.id, onUnseen);
  if ('idPrefix' in position) return heightOfId(store, chain, await idFrom(store, chain, position, onUnseen), onUnseen);
  const { last } = await findNewest(store, chain, onUnseen);
  if ('fromTail' in position) return Math.max(0, last + 1 - position.fromTail);
  if (side === 'from') return (await firstNotBefore(store, chain, position.time, last, onUnseen)).low;
  return (await firstNotBefore(store, chain, position.time + 1, last, onUnseen)).high - 1;
}

const missing = (chain: string, id: string, why: string): BlockhubError =>
  new BlockhubError('OBJECT_MISSING', `block ${id} ${why}`, { details: { chain, id } });

/** The id of the only block of the chain whose id begins with the prefix. */
async function idFrom(
  store: Store,
  chain: string,
  { idPrefix: prefix, wrong }: Extract<Position, { idPrefix: string }>,
  onUnseen: OnUnseen | undefined,
): Promise<string> {
  const skipped = new SkippedObjects(onUnseen);
  const ids: string[] = [];
  for await (const id of blockIds(store, prefix, { chain, onUnseen: skipped.add })) if (ids.push(id) > MOST_CANDIDATES) break;
  const [id, another] = ids;
  if (id === undefined) {
    const absent =
      wrong === undefined
        ? missing(chain, `${prefix}…`, `is not in chain ${chain}: it has no block whose id begins with these digits`)
        : usage(prefix, `is not a block id, and no block id of chain ${chain} begins with it: it ${wrong}`);
    throw skipped.notFound(`a block whose id begins with ${prefix}`, absent);
  }
  if (another === undefined) return id;
  const more = ids.length > MOST_CANDIDATES ? ', and more' : '';
  throw new BlockhubError('USAGE', `${prefix} is the beginning of several block ids: ${ids.slice(0, MOST_CANDIDATES).join(', ')}${more}`, {
    details: { prefix },
  });
}

const MOST_CANDIDATES = 10;

/** Reads the height from the copy. If the copy or that entry is bad, reads the whole chain. */
async function heightOfId(store: Store, chain: string, id: string, onUnseen: OnUnseen | undefined): Promise<number> {
  const skipped = new SkippedObjects(onUnseen);
  const bytes = await skipped.find(store, blockKey(id));
  const copy = bytes && checkBlock(bytes, { id });
  const tail = copy?.faults.length === 0 ? copy.tail : undefined;
  if (tail && tail.chain !== chain) throw missing(chain, id, `belongs to chain ${tail.chain}`);
  if (tail) {
    const entry = await skipped.find(store, entryKey(chain, tail.height));
    const there = entry && checkBlock(entry, { chain, height: tail.height });
    if (there?.faults.length === 0 && there.tail?.id === id) return tail.height;
    if (there?.faults.length === 0) throw missing(chain, id, `was built, but height ${tail.height} has another block`);
  }
  for await (const block of readBlocks(store, chain, { from: tail?.height ?? 0, onUnseen: skipped.add })) {
    if (block.id === id) return block.height;
    if (tail && block.height > tail.height) break;
  }
  const why = tail ? 'is not linked into the chain' : bytes ? 'is damaged, and the chain has no other copy' : 'is not in the store';
  throw skipped.notFound(`block ${id}`, missing(chain, id, why));
}
