import { type Block, checkBlock, eventTime, type Tail } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import {
  type BlockMessage,
  groupBody,
  type Outgoing,
  queueNames,
  queues,
  readBlock,
  template,
  writeCommitted,
  writeEventReceipts,
  writeGroup,
  writeTail,
} from '@blockhub/message';
import { setting } from '@blockhub/settings';
import { blockStore, findTail } from '@blockhub/walker';
import { type Context, commonSettings, defineWorker, done } from '@blockhub/worker';
import { KnownEntries } from './known-entries.ts';

const settings = {
  partitions: commonSettings.partitions,
  in: setting.text({ text: 'Queue of stored blocks. `{p}` stands for every partition.', default: queues.saved.name }),
  out: setting.text({ text: 'Queue for notices of blocks that are in their chain.', default: queues.committed.name }),
  receipts: setting.text({
    text: 'Queue for a receipt of each event, with its block, height and position. If it is not set, there are no receipts. A program must take the receipts: when their queue is full, chains stop.',
    example: queues.receipts.name,
  }),
  group: setting.text({
    text: 'Template of the queue for the items of a block whose height was already taken.',
    default: 'blobs.grouped.{partition(msg.meta.chain)}',
  }),
  knownChains: setting.integer({ text: 'Maximum number of chains whose newest entry is remembered.', default: 20_000, min: 1 }),
  prefetch: setting.integer({ text: 'Maximum number of unsettled blocks.', default: 64, min: 1 }),
};

/** Adds a stored block to its chain: the create of its entry decides which block is next. */
export const worker = defineWorker({
  name: 'next-field',
  summary: 'Adds a stored block to its chain: creates the entry of its height.',
  settings,
  needs: ['store', 'registry'],
  takes: ({ in: name, partitions, prefetch }) => queueNames(name, partitions).map((queue) => ({ queue, prefetch })),
  gives: ({ out, receipts, group }) => [out, ...(receipts === undefined ? [] : [receipts]), group, queues.tails.name],
  setup: ({ settings: { knownChains, group }, metrics }) => ({
    entries: new KnownEntries(knownChains),
    group: template(group),
    committed: metrics.counter('blockhub_next_field_blocks_total', 'Blocks that were added to their chain.'),
    events: metrics.counter('blockhub_next_field_events_total', 'Events of those blocks.'),
    late: metrics.counter(
      'blockhub_next_field_set_total',
      'Blocks whose height was already taken (NEXT_FIELD_IS_SET). Their items went back.',
    ),
    lastAt: metrics.gauge(
      'blockhub_next_field_last_commit_timestamp_seconds',
      'When a block was last added to its chain, in seconds since 1970; 0 before the first.',
    ),
    age: metrics.histogram('blockhub_next_field_event_age_seconds', 'Time from the capture of an event until it is in its chain.'),
  }),
  async handle(message, context) {
    const { store, state } = context;
    const saved = readBlock(message);
    const { block, tail } = readSaved(saved);
    const { id, chain, height, prev, bytes } = saved;
    const before = height - 1;
    const known = state.entries.has(chain, before, prev);
    const result = await blockStore(store).setNext({ chain, height: before, id: prev }, bytes, { known });
    if (!result.mine) {
      state.late.add();
      context.log.debug({ code: 'NEXT_FIELD_IS_SET', height, block: id }, 'height already taken');
      return done(await goBack(saved, block, context));
    }
    state.entries.add(chain, height, id);
    state.committed.add();
    state.events.add(block.blobs.length);
    const now = context.clock.now();
    state.lastAt.set(now / 1000);
    // The times are of two machines' clocks, so the difference may be negative.
    for (const { event } of block.blobs) state.age.observe(Math.max(0, now - eventTime(event)) / 1000);
    context.registry.putHint(chain, height).catch((cause: unknown) => context.log.debug({ cause }, 'hint not stored'));
    const notice = writeCommitted({ chain, id, prev, height, time: block.time, blobs: block.blobs.length });
    const { out, receipts } = context.settings;
    const eventReceipts = receipts === undefined ? [] : writeEventReceipts(receipts, block);
    return done([{ ...notice, queue: out }, writeTail(saved.tailsTo, tail), ...eventReceipts]);
  },
});

/** Reads the block of a message, and checks it against the meta. Throws MESSAGE_INVALID. */
function readSaved({ id, chain, height, prev, bytes }: BlockMessage): { block: Block; tail: Tail } {
  const { block, tail, faults } = checkBlock(bytes, { id, chain, height, prev });
  const [fault] = faults;
  if (block && tail && !fault) return { block, tail };
  throw new BlockhubError('MESSAGE_INVALID', `the body is not block ${id}: ${fault?.message}`, {
    details: { path: 'msg.body', code: fault?.code },
  });
}

/** The items go back, with the true tail. Builder drops those that the other block holds. */
async function goBack(
  { id, tailsTo }: BlockMessage,
  { chain, height, blobs }: Block,
  context: Context<typeof settings, { group: ReturnType<typeof template> }>,
): Promise<Outgoing[]> {
  const meta = { chain, items: blobs.length };
  const queue = context.state.group.queue({ meta, doc: () => undefined }, context.settings);
  const tail = await findTail(context.store, chain, height - 1);
  return [writeGroup({ queue, id, chain, items: blobs.length, body: groupBody(blobs) }), writeTail(tailsTo, tail)];
}
