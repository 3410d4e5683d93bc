import { queueNames, queues, template } from '@blockhub/message';
import { setting } from '@blockhub/settings';
import { commonSettings, defineWorker, retry } from '@blockhub/worker';
import { type ClosedGroup, Groups } from './groups.ts';

const settings = {
  partitions: commonSettings.partitions,
  in: setting.text({ text: 'Queue to take from. `{p}` stands for every partition.', default: queues.deployed.name }),
  out: setting.text({ text: 'Template of the queue for groups.', default: 'blobs.grouped.{partition(msg.meta.chain)}' }),
  key: setting.text({ text: 'Template of the key. Messages with the same key share a group.', default: '{msg.meta.chain}' }),
  max: setting.integer({ text: 'Maximum number of items in a group. A message with more goes alone.', default: 1000, min: 1 }),
  maxBytes: setting.size({ text: 'Maximum bytes of a group. A larger message goes alone.', default: '256kb', min: 1 }),
  ttl: setting.duration({ text: 'How long the first message of a group waits for others.', default: '50ms', max: 600_000 }),
  prefetch: setting.integer({
    text: 'Maximum number of unsettled messages per queue. If so many wait, the oldest groups are published early.',
    default: 1000,
    min: 2,
    max: 2000,
  }),
};

/** Joins messages of a key into groups. They are JSON arrays, joined as bytes without parsing. */
export const worker = defineWorker({
  name: 'grouper',
  summary: 'Joins messages with the same key into groups.',
  settings,
  needs: [],
  takes: ({ in: name, partitions, prefetch }) => queueNames(name, partitions).map((queue) => ({ queue, prefetch })),
  gives: ({ out }) => [out],
  setup: (context) => {
    const { settings, clock, metrics, draining } = context;
    const out = template(settings.out);
    const itemsIn = metrics.counter('blockhub_grouper_items_in_total', 'Items taken.');
    const itemsOut = metrics.counter('blockhub_grouper_items_out_total', 'Items in published groups.');
    const groupsOut = metrics.counter('blockhub_grouper_groups_out_total', 'Published groups.');
    const send = async ({ first, messages, items, body }: ClosedGroup): Promise<void> => {
      // The limits of a key are for this worker only. The rest of the first message's meta stays.
      const { 'group-max': _max, 'group-max-bytes': _bytes, 'group-ttl': _ttl, ...meta } = first.meta;
      const group = { queue: out.queue(first, settings), id: context.newEvent(), meta: { ...meta, items }, body };
      await context.publish([group], messages);
      groupsOut.add();
      itemsOut.add(items);
    };
    const groups = new Groups({ ...settings, clock }, send);
    metrics.gauge('blockhub_grouper_open_groups', 'Groups that are open.').read(() => groups.size);
    draining.addEventListener('abort', () => groups.flush(), { once: true });
    return { key: template(settings.key), groups, itemsIn };
  },
  /** The message is acked when its group is confirmed. */
  handle: (message, { state, draining }) => {
    if (draining.aborted) return retry(0, 'draining');
    const confirmed = state.groups.add(state.key.value(message), message);
    state.itemsIn.add(typeof message.meta.items === 'number' ? message.meta.items : 1);
    return confirmed;
  },
});
