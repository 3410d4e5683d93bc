import { buildBlock } from '@blockhub/chain';
import { queueNames, queues, readBlueprint, writeBlock, writeTail } from '@blockhub/message';
import { setting } from '@blockhub/settings';
import { commonSettings, defineWorker, done } from '@blockhub/worker';
import { SerialTasks } from './serial-tasks.ts';
import { uniqueByEvent } from './unique-receipts.ts';
import { Windows } from './window.ts';

const settings = {
  partitions: commonSettings.partitions,
  in: setting.text({ text: 'Queue of blueprints. `{p}` stands for every partition.', default: queues.staged.name }),
  out: setting.text({ text: 'Queue for new blocks.', default: queues.created.name }),
  windowEvents: setting.integer({
    text: 'Maximum number of remembered event ids, of all chains together. Each takes about 150 bytes.',
    default: 100_000,
    min: 0,
  }),
  windowChains: setting.integer({ text: 'Maximum number of chains whose event ids are remembered.', default: 10_000, min: 1 }),
  prefetch: setting.integer({ text: 'Maximum number of unsettled blueprints.', default: 16, min: 1 }),
};

/** The same tail and items give the same block. */
export const worker = defineWorker({
  name: 'builder',
  summary: 'Builds the next block from a tail and groups of receipts.',
  settings,
  needs: ['store'],
  takes: ({ in: name, partitions, prefetch }) => queueNames(name, partitions).map((queue) => ({ queue, prefetch })),
  gives: ({ out }) => [out, queues.tails.name],
  setup: ({ settings: { windowEvents, windowChains }, store, metrics }) => {
    const windows = new Windows(store, { maxEvents: windowEvents, maxChains: windowChains });
    metrics.gauge('blockhub_builder_window_events', 'Event ids that are remembered.').read(() => windows.size);
    const dropped = metrics.counter(
      'blockhub_builder_items_dropped_total',
      'Items that were already in their chain, or twice in a blueprint.',
    );
    return { windows, dropped, tasks: new SerialTasks() };
  },
  handle(message, { settings, state: { windows, dropped, tasks } }) {
    const { tail, receipts, tailsTo } = readBlueprint(message);
    return tasks.run(tail.chain, async () => {
      const unseen = await windows.unseen(tail, uniqueByEvent(receipts));
      dropped.add(receipts.length - unseen.length);
      // Without this tail msg-merge would wait for a block that never comes.
      if (unseen.length === 0) return done([writeTail(tailsTo, tail)]);
      const block = buildBlock(tail, unseen);
      windows.propose(
        tail,
        block,
        unseen.map(({ event }) => event),
      );
      return done([{ ...writeBlock(block, { prev: tail.id, tailsTo }), queue: settings.out }]);
    });
  },
});
