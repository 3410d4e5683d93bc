import { BlockhubError, quote } from '@blockhub/errors';
import { declaration, mergeMessages, queueNames, queues, template, writeTailWanted } from '@blockhub/message';
import { setting } from '@blockhub/settings';
import { commonSettings, defineWorker, done, type Outcome, retry } from '@blockhub/worker';
import { inputsOf, latestQueue } from './inputs.ts';
import { type HoldResult, Merger } from './merger.ts';

const SECOND = 1000;
const RETRY_AFTER_MS = 30 * SECOND;
const LATEST_PREFETCH = 1000;
/** Of the prefetch. */
const NEARLY_FULL = 0.75;

const settings = {
  partitions: commonSettings.partitions,
  held: setting.list({
    text: 'Held inputs, each `tag=queue`. Their messages wait for the others and are acked after the merge. `{p}` stands for every partition.',
    default: [`group=${queues.grouped.name}`],
  }),
  latest: setting.text({
    text: 'Latest input, `tag=queue`. Only the newest message of a key counts. `{instance}` makes it a queue of this instance only. `none`: there is no latest input.',
    default: `tail=${queues.tails.name}`,
  }),
  key: setting.text({ text: 'Template of the key. Messages with the same key are merged.', default: '{msg.meta.chain}' }),
  order: setting.text({
    text: 'Template of a number. The newest message of the latest input has the highest.',
    default: '{msg.meta.height}',
  }),
  request: setting.text({ text: 'Queue where the latest message of a key is requested.', default: queues.wanted.name }),
  out: setting.text({ text: 'Template of the queue for merged messages.', default: 'blocks.staged.{partition(msg.meta.chain)}' }),
  maxItems: setting.integer({
    text: 'Maximum number of items in a merged message. One message of each input is always taken.',
    default: 10_000,
    min: 1,
  }),
  maxBytes: setting.size({
    text: 'Maximum bytes of each held input in a merged message. One message of each input is always taken.',
    default: '4mb',
    min: 1,
  }),
  wait: setting.duration({
    text: 'How long the answer to a merged message may take. After that the latest message is requested.',
    default: '5s',
    min: 1,
  }),
  ask: setting.duration({ text: 'Time until a request is repeated. It is doubled each time, up to a minute.', default: '2s', min: 1 }),
  rest: setting.duration({
    text: 'Maximum time that a key rests after an answer. It rests twice as long as the answer took, so that a mesh under load makes few large messages.',
    default: '2s',
  }),
  hold: setting.list({
    text: 'How long a held message waits for the others: at most 10m. `tag=time` sets it for one input.',
    default: ['5m'],
    example: '5m,left=30s',
  }),
  expired: setting.list({
    text: 'What happens to a message after `hold`. `release`: it is retried later. `request`: the same, and what is missing is requested. `drop`: it is removed. `tag=drop` sets it for one input.',
    default: ['release'],
    example: 'release,left=drop',
  }),
  prefetch: setting.integer({ text: 'Maximum number of unsettled messages of each queue.', default: 1000, min: 1, max: 2000 }),
  maxKeys: setting.integer({
    text: 'Maximum number of remembered keys. Beyond it, keys without waiting messages are forgotten.',
    default: 10_000,
    min: 1,
  }),
};

export const worker = defineWorker({
  name: 'msg-merge',
  summary: 'Merges the waiting messages of a key with the newest value of that key.',
  settings,
  needs: [],
  takes: (values, instance) => {
    const { held, latest } = inputsOf(values);
    const prefetch = values.prefetch;
    return [
      ...(latest ? [{ queue: latestQueue(latest, instance), prefetch: LATEST_PREFETCH }] : []),
      ...held.flatMap((input) => queueNames(input.queue, values.partitions).map((queue) => ({ queue, prefetch }))),
    ];
  },
  declares: (values, instance) => {
    const { latest } = inputsOf(values);
    return latest?.queue.includes('{instance}') ? [declaration(queues.tails, latestQueue(latest, instance))] : [];
  },
  gives: (values) => {
    const { held, latest } = inputsOf(values);
    return latest || held.some(({ end }) => end === 'request') ? [values.out, values.request] : [values.out];
  },
  setup: (context) => {
    const { settings, clock, metrics, draining, instance } = context;
    const { held, latest } = inputsOf(settings);
    const [out, key, order] = [template(settings.out), template(settings.key), template(settings.order)];
    const inputOf = new Map(held.flatMap((input) => queueNames(input.queue, settings.partitions).map((queue) => [queue, input] as const)));
    const tailsTo = latest && latestQueue(latest, instance);
    const mergedOut = metrics.counter('blockhub_msg_merge_merged_total', 'Merged messages that were published.');
    const asked = metrics.counter('blockhub_msg_merge_asked_total', 'Requests for the latest message of a key.');
    const merger = new Merger(
      { ...settings, held, latest: latest?.tag, nearlyFull: settings.prefetch * NEARLY_FULL, clock },
      {
        async send(parts, held) {
          const { body, meta: mergedMeta } = mergeMessages(parts);
          const meta = { ...mergedMeta, ...(tailsTo === undefined ? {} : { tailsTo }) };
          const queue = out.queue({ meta, doc: () => undefined }, settings);
          await context.publish([{ queue, id: context.newEvent(), meta, body }], held);
          mergedOut.add();
        },
        async ask(wanted) {
          asked.add();
          const id = context.newEvent();
          const request =
            tailsTo === undefined
              ? { id, meta: { key: wanted }, body: Buffer.from(JSON.stringify({ key: wanted })) }
              : writeTailWanted(id, { chain: wanted, tailsTo });
          await context.publish([{ ...request, queue: settings.request }]);
        },
      },
    );
    metrics.gauge('blockhub_msg_merge_keys', 'Keys that are remembered.').read(() => merger.size);
    metrics
      .gauge('blockhub_msg_merge_oldest_seconds', 'Time since the oldest waiting message was first published; 0 if none waits.')
      .read(() => Math.max(0, clock.now() - (merger.oldestAt ?? clock.now())) / 1000);
    const expired = metrics.counter('blockhub_msg_merge_expired_total', 'Messages that waited for the others longer than `hold`.');
    draining.addEventListener('abort', () => merger.drain(), { once: true });
    return { merger, key, order, inputOf, expired };
  },
  handle: (message, { state: { merger, key, order, inputOf, expired } }) => {
    const input = inputOf.get(message.queue);
    if (!input) return merger.latest(key.value(message), orderOf(order.value(message)), message);
    return merger.hold(input.tag, key.value(message), message).then((result) => {
      if (result === 'expired') expired.add();
      return outcomeOf(result, input.end === 'drop');
    });
  },
});

function outcomeOf(result: HoldResult, drop: boolean): Outcome {
  if (result === 'draining') return retry(0, 'draining');
  if (result === 'displaced') return retry(RETRY_AFTER_MS, 'what it is merged with does not come, and other messages need its place');
  return result === 'merged' || drop ? done() : retry(RETRY_AFTER_MS, 'what it is merged with did not come in time');
}

function orderOf(text: string): number {
  const order = Number(text);
  if (text !== '' && Number.isFinite(order)) return order;
  throw new BlockhubError('MESSAGE_INVALID', `the order must be a number, got ${quote(text)}`);
}
