import { BlockhubError } from '@blockhub/errors';
import { parseDuration } from '@blockhub/settings';

const DEFAULT_HOLD = '5m';
/** Brokers take back a delivery that is not settled for long. */
const LONGEST_HOLD_MS = 600_000;
const ends = ['release', 'drop', 'request'] as const;

/** A queue, or a family of them, and the tag of its messages in the merged one. */
interface Input {
  readonly tag: string;
  readonly queue: string;
}

export interface HeldInput extends Input {
  /** How long its messages wait for the others. */
  readonly holdMs: number;
  /** What happens then: a retry later, an ack, or a retry and a request for what is missing. */
  readonly end: (typeof ends)[number];
}

const form = /^([A-Za-z][\w-]{0,62})=(\S+)$/;

const invalid = (what: string): BlockhubError => new BlockhubError('SETTINGS_INVALID', what);

/** Reads `tag=queue`. Throws SETTINGS_INVALID. */
function parseInput(text: string): Input {
  const [, tag, queue] = form.exec(text) ?? [];
  if (tag === undefined || queue === undefined)
    throw invalid(`expected tag=queue, such as group=blobs.grouped.{p}, got ${JSON.stringify(text)}`);
  return { tag, queue };
}

/** Reads entries such as `5m` and `left=10s`. Those with a tag come first, then the others. */
function entryOf(flag: string, entries: readonly string[], tags: readonly string[], fallback: string): (tag: string) => string {
  const values = new Map<string, string>();
  for (const entry of entries) {
    const [, tag = '', value = ''] = /^(?:(.*?)=)?(.*)$/s.exec(entry) ?? [];
    if (entry.includes('=') && !tags.includes(tag))
      throw invalid(`${flag}: expected ${tags.join(' or ')} before the =, got ${JSON.stringify(entry)}`);
    if (values.has(tag)) throw invalid(`${flag}: expected one value for ${tag || 'all inputs'}, got two`);
    values.set(tag, value);
  }
  return (tag) => values.get(tag) ?? values.get('') ?? fallback;
}

function parseHold(text: string): number {
  const ms = parseDuration(text);
  if (ms >= 1 && ms <= LONGEST_HOLD_MS) return ms;
  throw invalid(`--hold: expected 1ms to 10m, got ${text}`);
}

function parseEnd(text: string): HeldInput['end'] {
  const end = ends.find((one) => one === text);
  if (end) return end;
  throw invalid(`--expired: expected ${ends.join(', ')}, got ${JSON.stringify(text)}`);
}

type InputValues = Readonly<Record<'held' | 'hold' | 'expired', readonly string[]> & { latest: string }>;

/** Reads the settings that name inputs. Throws SETTINGS_INVALID. */
export function inputsOf(values: InputValues): { readonly held: readonly HeldInput[]; readonly latest: Input | undefined } {
  const held = values.held.map(parseInput);
  const latest = values.latest === 'none' ? undefined : parseInput(values.latest);
  const tags = held.map(({ tag }) => tag);
  const all = latest ? [...tags, latest.tag] : tags;
  if (held.length === 0) throw invalid('--held: expected at least one input, got none');
  if (new Set(all).size < all.length) throw invalid(`expected a tag of its own for each input, got ${all.join(', ')}`);
  const hold = entryOf('--hold', values.hold, tags, DEFAULT_HOLD);
  const end = entryOf('--expired', values.expired, tags, ends[0]);
  return { held: held.map((input) => ({ ...input, holdMs: parseHold(hold(input.tag)), end: parseEnd(end(input.tag)) })), latest };
}

export const latestQueue = (latest: Input, instance: string): string => latest.queue.replace('{instance}', () => instance);
