import { queueNames, queues, template } from '@blockhub/message';
import { setting } from '@blockhub/settings';
import { commonSettings, defineWorker, retry } from '@blockhub/worker';
import { type FullGroup, Groups } from './groups.ts';

const settings = {
  partitions: commonSettings.partitions,
  in: setting.text({ text: 'Queue to take from; `{p}` stands for every partition.', default: queues.deployed.name }),
  out: setting.text({ text: 'Template of the queue for groups.', default: 'blobs.grouped.{partition(msg.meta.chain)}' }),
  key: setting.text({ text: 'Template of what the messages of a group have in common.', default: '{msg.meta.chain}' }),
  max: setting.integer({ text: 'Most items of a group; a message that has more goes alone.', default: 1000, min: 1 }),
  maxBytes: setting.size({ text: 'Most bytes of a group; a message that has more goes alone.', default: '256kb', min: 1 }),
  ttl: setting.duration({ text: 'How long the first message of a group waits for others.', default: '50ms', max: 600_000 }),
  prefetch: setting.integer({
    text: 'Most messages held per queue; when so many wait, the oldest groups go early.',
    default: 1000,
    min: 2,
    max: 2000,
  }),
};

/** Joins messages of a key into groups: JSON arrays, as bytes, never parsed. */
export const worker = defineWorker({
  name: 'grouper',
  summary: 'Groups messages by a key.',
  settings,
  needs: [],
  takes: ({ in: name, partitions, prefetch }) => queueNames(name, partitions).map((queue) => ({ queue, prefetch })),
  gives: ({ out }) => [out],
  setup: (context) => {
    const { settings, clock, metrics, draining } = context;
    const out = template(settings.out);
    const itemsIn = metrics.counter('blockhub_grouper_items_in_total', 'Items taken.');
    const itemsOut = metrics.counter('blockhub_grouper_items_out_total', 'Items in groups that went.');
    const groupsOut = metrics.counter('blockhub_grouper_groups_out_total', 'Groups that went.');
    const send = async ({ first, messages, items, body }: FullGroup): Promise<void> => {
      // Limits of a key are for this worker only; the rest of the first message's meta is the group's.
      const { 'group-max': _max, 'group-max-bytes': _bytes, 'group-ttl': _ttl, ...meta } = first.meta;
      const group = { queue: out.queue(first, settings), id: context.newEvent(), meta: { ...meta, items }, body };
      await context.publish([group], messages);
      groupsOut.add();
      itemsOut.add(items);
    };
    const groups = new Groups({ ...settings, clock }, send);
    metrics.gauge('blockhub_grouper_open_groups', 'Groups that wait.').read(() => groups.size);
    draining.addEventListener('abort', () => groups.flush(), { once: true });
    return { key: template(settings.key), groups, itemsIn };
  },
  /** The message stays unacked until the group with it is published and confirmed. */
  handle: (message, { state, draining }) => {
    if (draining.aborted) return retry(0, 'draining');
    const held = state.groups.add(state.key.value(message), message);
    state.itemsIn.add(typeof message.meta.items === 'number' ? message.meta.items : 1);
    return held;
  },
});
