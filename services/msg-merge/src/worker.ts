import { BlockhubError } from '@blockhub/errors';
import { declaration, mergeMessages, queues, template, writeTailWanted } from '@blockhub/message';
import { setting } from '@blockhub/settings';
import { commonSettings, defineWorker, done, type Outcome, retry } from '@blockhub/worker';
import { type Fate, Merger } from './merger.ts';
import { heldQueues, latestQueue, sourcesOf } from './source.ts';

const SECOND = 1000;
const EXPIRED_RETRY_MS = 30 * SECOND;
const LATEST_PREFETCH = 1000;
/** Of the prefetch. */
const CROWD = 0.75;

const settings = {
  partitions: commonSettings.partitions,
  held: setting.list({
    text: 'Sources as `tag=queue` whose messages wait and are acked after the merge; `{p}` stands for every partition.',
    default: [`group=${queues.grouped.name}`],
  }),
  latest: setting.text({
    text: 'Source as `tag=queue` of which the newest message of a key counts; `{instance}` makes it a queue of this instance only. `none`: there is none.',
    default: `tail=${queues.tails.name}`,
  }),
  key: setting.text({ text: 'Template of what the messages of a merge have in common.', default: '{msg.meta.chain}' }),
  order: setting.text({
    text: 'Template of a number: the newest message of the latest source has the highest.',
    default: '{msg.meta.height}',
  }),
  request: setting.text({ text: 'Queue where the latest message of a key is asked for.', default: queues.wanted.name }),
  out: setting.text({ text: 'Template of the queue for merged messages.', default: 'blocks.staged.{partition(msg.meta.chain)}' }),
  maxItems: setting.integer({ text: 'Most items of a merged message; one message of each source always fits.', default: 10_000, min: 1 }),
  maxBytes: setting.size({ text: 'Most bytes of each held source in a merged message; one message always fits.', default: '4mb', min: 1 }),
  wait: setting.duration({
    text: 'How long the answer to a merged message may take; then the latest message is asked for.',
    default: '5s',
    min: 1,
  }),
  ask: setting.duration({ text: 'When to ask again; doubled each time, to a minute.', default: '2s', min: 1 }),
  rest: setting.duration({
    text: 'The longest rest of a key after an answer; it rests twice as long as the answer took, so that a mesh with much to do makes few large messages.',
    default: '2s',
  }),
  hold: setting.list({
    text: 'How long a held message waits for the others: a time of at most 10m, or `tag=time` for one source.',
    default: ['5m'],
    example: '5m,left=30s',
  }),
  expired: setting.list({
    text: 'What becomes of it then: `release` (back to its queue for later), `drop` (gone) or `request` (back, and what is missing is asked for); `tag=drop` for one source.',
    default: ['release'],
    example: 'release,left=drop',
  }),
  prefetch: setting.integer({ text: 'Most messages held of each queue.', default: 1000, min: 1, max: 2000 }),
  maxKeys: setting.integer({ text: 'Keys to remember while nothing of theirs waits.', default: 10_000, min: 1 }),
};

/** Merges waiting messages with the newest value of their key. It knows no chains: sources, key and order are settings. */
export const worker = defineWorker({
  name: 'msg-merge',
  summary: 'Merges one message, or all that wait, from each source queue by key.',
  settings,
  needs: [],
  takes: (values, instance) => {
    const { held, latest } = sourcesOf(values);
    const prefetch = values.prefetch;
    return [
      ...(latest ? [{ queue: latestQueue(latest, instance), prefetch: LATEST_PREFETCH }] : []),
      ...held.flatMap((source) => heldQueues(source, values.partitions).map((queue) => ({ queue, prefetch }))),
    ];
  },
  declares: (values, instance) => {
    const { latest } = sourcesOf(values);
    return latest?.queue.includes('{instance}') ? [declaration(queues.tails, latestQueue(latest, instance))] : [];
  },
  gives: (values) => {
    const { held, latest } = sourcesOf(values);
    return latest || held.some(({ end }) => end === 'request') ? [values.out, values.request] : [values.out];
  },
  setup: (context) => {
    const { settings, clock, metrics, draining, instance } = context;
    const { held, latest } = sourcesOf(settings);
    const [out, key, order] = [template(settings.out), template(settings.key), template(settings.order)];
    const sourceOf = new Map(held.flatMap((source) => heldQueues(source, settings.partitions).map((queue) => [queue, source] as const)));
    const tailsTo = latest && latestQueue(latest, instance);
    const mergedOut = metrics.counter('blockhub_msg_merge_merged_total', 'Merged messages that went.');
    const asked = metrics.counter('blockhub_msg_merge_asked_total', 'Questions for the latest message of a key.');
    const merger = new Merger(
      { ...settings, held, latest: latest?.tag, crowd: settings.prefetch * CROWD, clock },
      {
        async send(_key, merged, held) {
          const { body, meta: mergedMeta } = mergeMessages(merged);
          const meta = { ...mergedMeta, ...(tailsTo === undefined ? {} : { tailsTo }) };
          const queue = out.queue({ meta, doc: () => undefined }, settings);
          await context.publish([{ queue, id: context.newEvent(), meta, body }], held);
          mergedOut.add();
        },
        async ask(wanted) {
          asked.add();
          const id = context.newEvent();
          const question =
            tailsTo === undefined
              ? { id, meta: { key: wanted }, body: Buffer.from(JSON.stringify({ key: wanted })) }
              : writeTailWanted(id, { chain: wanted, tailsTo });
          await context.publish([{ ...question, queue: settings.request }]);
        },
      },
    );
    metrics.gauge('blockhub_msg_merge_keys', 'Keys that are remembered.').read(() => merger.size);
    metrics
      .gauge('blockhub_msg_merge_oldest_seconds', 'How long ago the oldest message that waits was first published; 0 where none waits.')
      .read(() => Math.max(0, clock.now() - (merger.oldestAt ?? clock.now())) / 1000);
    const expired = metrics.counter('blockhub_msg_merge_expired_total', 'Messages that waited too long for the others.');
    draining.addEventListener('abort', () => merger.drain(), { once: true });
    return { merger, key, order, sourceOf, expired };
  },
  handle: (message, { state: { merger, key, order, sourceOf, expired } }) => {
    const source = sourceOf.get(message.queue);
    if (!source) return merger.latest(key.value(message), orderOf(order.value(message)), message);
    return merger.hold(source.tag, key.value(message), message).then((fate) => {
      if (fate === 'expired') expired.add();
      return outcomeOf(fate, source.end === 'drop');
    });
  },
});

function outcomeOf(fate: Fate, drop: boolean): Outcome {
  if (fate === 'draining') return retry(0, 'draining');
  if (fate === 'crowded') return retry(EXPIRED_RETRY_MS, 'its other half does not come, and other messages need its place');
  return fate === 'merged' || drop ? done() : retry(EXPIRED_RETRY_MS, 'its other half did not come in time');
}

function orderOf(text: string): number {
  const order = Number(text);
  if (text !== '' && Number.isFinite(order)) return order;
  throw new BlockhubError('MESSAGE_INVALID', `the order ${JSON.stringify(text.slice(0, 100))} is not a number`);
}
