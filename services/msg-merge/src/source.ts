import { BlockhubError } from '@blockhub/errors';
import { queueNames, queues } from '@blockhub/message';

/** A queue, or a family of them, and the tag under which its messages stand in the merged one. */
export interface Source {
  readonly tag: string;
  readonly queue: string;
}

const form = /^([A-Za-z][\w-]{0,62})=(\S+)$/;

/** Reads `tag=queue`. Throws SETTINGS_INVALID. */
function parseSource(text: string): Source {
  const [, tag, queue] = form.exec(text) ?? [];
  if (tag === undefined || queue === undefined)
    throw new BlockhubError('SETTINGS_INVALID', `${JSON.stringify(text)} is not tag=queue, as in group=blobs.grouped.{p}`);
  return { tag, queue };
}

export interface Sources {
  readonly held: readonly Source[];
  readonly latest: Source | undefined;
}

/** Reads the settings that name sources. Throws SETTINGS_INVALID. */
export function sourcesOf({ held, latest }: { readonly held: readonly string[]; readonly latest: string }): Sources {
  const sources = { held: held.map(parseSource), latest: latest === 'none' ? undefined : parseSource(latest) };
  const tags = [...sources.held, ...(sources.latest ? [sources.latest] : [])].map(({ tag }) => tag);
  if (sources.held.length === 0) throw new BlockhubError('SETTINGS_INVALID', '--held names no source');
  if (new Set(tags).size < tags.length) throw new BlockhubError('SETTINGS_INVALID', `two sources have the same tag: ${tags.join(', ')}`);
  return sources;
}

/** The queue of a latest source. */
export const latestQueue = (latest: Source, instance: string): string => latest.queue.replace('{instance}', () => instance);
/** The queues of a held source. */
export const heldQueues = ({ queue }: Source, partitions: number): string[] => queueNames({ ...queues.grouped, name: queue }, partitions);
