import { Cache } from '@blockhub/cache';
import { type Outgoing, queues, template } from '@blockhub/message';
import { setting } from '@blockhub/settings';
import { type Context, commonSettings, defineWorker, done } from '@blockhub/worker';
import { parsePredicate } from './predicate.ts';

const settings = {
  partitions: commonSettings.partitions,
  in: setting.text({ text: 'Queue to take from.', default: queues.committed.name }),
  to: setting.list({
    text: 'Templates of queues that each message is published to. If it is empty, messages are acked and removed.',
    default: [],
    example: '{msg.meta.chain}_chain',
  }),
  when: setting.text({
    text: 'Predicate for the messages that pass. If it is not set, all pass. The others are acked and removed.',
    restricts: true,
    example: 'startsWith(msg.meta.mime, "image/")',
  }),
  missing: setting.choice({
    text: 'What happens if a queue does not exist. `declare`: it is declared. `refuse`: the message becomes a dead letter.',
    of: ['declare', 'refuse'],
    default: 'declare',
  }),
  prefetch: setting.integer({ text: 'Maximum number of unsettled messages.', default: 500, min: 1, max: 2000 }),
};

const MOST_DECLARED = 10_000;

/** Publishes messages, with unchanged body and meta, to queues that templates name. */
export const worker = defineWorker({
  name: 'shoveltomany',
  summary: 'Publishes each message to one or many queues, named by templates.',
  settings,
  needs: [],
  takes: ({ in: queue, prefetch }) => [{ queue, prefetch }],
  gives: ({ to }) => to,
  setup: ({ settings: { to, when } }) => ({
    to: to.map(template),
    passes: when === undefined ? undefined : parsePredicate(when),
    declared: new Cache<string, true>(MOST_DECLARED),
  }),
  handle(message, context) {
    const { settings, state } = context;
    if (state.to.length === 0 || state.passes?.(message) === false) return done();
    const { id, meta, body } = message;
    const names = new Set(state.to.map((one) => one.queue(message, settings)));
    const messages = [...names].map((queue) => ({ queue, id, meta, body }));
    if (settings.missing === 'refuse') return done(messages);
    const unknown = [...names].filter((name) => !state.declared.has(name));
    return unknown.length === 0 ? done(messages) : declareFirst(unknown, messages, context);
  },
});

async function declareFirst(
  names: readonly string[],
  messages: Outgoing[],
  { broker, state }: Context<typeof settings, { declared: Cache<string, true> }>,
) {
  // An existing queue may have been declared differently. It is used as it is.
  const existing = new Set((await broker.queues(names)).map(({ name }) => name));
  await broker.declare(names.filter((name) => !existing.has(name)).map((name) => ({ name, kind: 'durable' })));
  for (const name of names) state.declared.set(name, true);
  return done(messages);
}
