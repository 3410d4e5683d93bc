import type { MergePart, Message } from '@blockhub/message';
import type { Merged } from './merger.ts';

/** The meta of all parts, later ones over earlier ones; items are summed up. */
export function mergeMeta(merged: Merged): Message['meta'] {
  const meta: Message['meta'] = {};
  let items = 0;
  const add = (part: MergePart): void => {
    Object.assign(meta, part.meta);
    if (typeof part.meta.items === 'number') items += part.meta.items;
  };
  for (const value of Object.values(merged)) {
    if ('body' in value) add(value);
    else for (const part of value) add(part);
  }
  if (items > 0) meta.items = items;
  return meta;
}
