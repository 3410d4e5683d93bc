import { BlockhubError } from '@blockhub/errors';
import { queueNames } from '@blockhub/message';
import { parseDuration } from '@blockhub/settings';

const DEFAULT_HOLD = '5m';
/** Brokers take back what is held for long. */
const LONGEST_HOLD_MS = 600_000;
const ends = ['release', 'drop', 'request'] as const;

/** A queue, or a family of them, and the tag under which its messages stand in the merged one. */
export interface Source {
  readonly tag: string;
  readonly queue: string;
}

export interface HeldSource extends Source {
  /** How long its messages wait for the others. */
  readonly holdMs: number;
  /** What becomes of them then: back to the queue for later, gone, or back while the others are asked for. */
  readonly end: (typeof ends)[number];
}

const form = /^([A-Za-z][\w-]{0,62})=(\S+)$/;

/** Reads `tag=queue`. Throws SETTINGS_INVALID. */
function parseSource(text: string): Source {
  const [, tag, queue] = form.exec(text) ?? [];
  if (tag === undefined || queue === undefined)
    throw new BlockhubError('SETTINGS_INVALID', `${JSON.stringify(text)} is not tag=queue, as in group=blobs.grouped.{p}`);
  return { tag, queue };
}

/** What entries like `5m` and `left=10s` say of a source: its own, else what stands without a tag, else the default. */
function entryOf(flag: string, entries: readonly string[], tags: readonly string[], fallback: string): (tag: string) => string {
  const values = new Map<string, string>();
  for (const entry of entries) {
    const [, tag = '', value = ''] = /^(?:(.*?)=)?(.*)$/s.exec(entry) ?? [];
    if (entry.includes('=') && !tags.includes(tag))
      throw new BlockhubError(
        'SETTINGS_INVALID',
        `${flag}: ${JSON.stringify(entry)} names no held source: write ${tags.join(' or ')} before the =`,
      );
    if (values.has(tag)) throw new BlockhubError('SETTINGS_INVALID', `${flag} says two things of ${tag || 'all sources'}: write one`);
    values.set(tag, value);
  }
  return (tag) => values.get(tag) ?? values.get('') ?? fallback;
}

function parseHold(text: string): number {
  const ms = parseDuration(text);
  if (ms >= 1 && ms <= LONGEST_HOLD_MS) return ms;
  throw new BlockhubError('SETTINGS_INVALID', `--hold: ${text} is out of range: write from 1ms to 10m`);
}

function parseEnd(text: string): HeldSource['end'] {
  const end = ends.find((one) => one === text);
  if (end) return end;
  throw new BlockhubError('SETTINGS_INVALID', `--expired: ${JSON.stringify(text)} is not known: write ${ends.join(', ')}`);
}

export interface SourceValues {
  readonly held: readonly string[];
  readonly latest: string;
  readonly hold: readonly string[];
  readonly expired: readonly string[];
}

export interface Sources {
  readonly held: readonly HeldSource[];
  readonly latest: Source | undefined;
}

/** Reads the settings that name sources. Throws SETTINGS_INVALID. */
export function sourcesOf(values: SourceValues): Sources {
  const held = values.held.map(parseSource);
  const latest = values.latest === 'none' ? undefined : parseSource(values.latest);
  const tags = held.map(({ tag }) => tag);
  const all = latest ? [...tags, latest.tag] : tags;
  if (held.length === 0) throw new BlockhubError('SETTINGS_INVALID', '--held names no source');
  if (new Set(all).size < all.length) throw new BlockhubError('SETTINGS_INVALID', `two sources have the same tag: ${all.join(', ')}`);
  const hold = entryOf('--hold', values.hold, tags, DEFAULT_HOLD);
  const end = entryOf('--expired', values.expired, tags, ends[0]);
  return { held: held.map((source) => ({ ...source, holdMs: parseHold(hold(source.tag)), end: parseEnd(end(source.tag)) })), latest };
}

/** The queue of a latest source. */
export const latestQueue = (latest: Source, instance: string): string => latest.queue.replace('{instance}', () => instance);
/** The queues of a held source. */
export const heldQueues = ({ queue }: Source, partitions: number): string[] => queueNames(queue, partitions);
