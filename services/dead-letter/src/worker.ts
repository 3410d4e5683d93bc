import { errorCode, hasCode, isTransient } from '@blockhub/errors';
import { type DeadLetter, keepDeadLetter, type Message, queues, REPAIRS, readDeadLetter } from '@blockhub/message';
import { setting } from '@blockhub/settings';
import { type Context, defineWorker, done, type Outcome, retry } from '@blockhub/worker';
import { findRepair } from './repairs.ts';

const settings = {
  in: setting.text({ text: 'Queue of dead letters.', default: queues.deadLetter.name }),
  delay: setting.duration({ text: 'How long to wait before the first repair; doubled for each one after it.', default: '30s' }),
  repairs: setting.integer({ text: 'Most repairs of one message; after them it is kept.', default: 5 }),
  prefetch: setting.integer({ text: 'Most dead letters held at a time.', default: 50, min: 1, max: 2000 }),
};

const MOST_DELAY_MS = 60 * 60 * 1000;

/** Repairs what can be repaired by handling it again, and keeps the rest for the `blockhub dead-letter` command. */
export const worker = defineWorker({
  name: 'dead-letter',
  summary: 'Repairs what can be repaired and keeps the rest.',
  settings,
  needs: [],
  takes: ({ in: queue, prefetch }) => [{ queue, prefetch }],
  gives: () => [queues.kept.name, '{msg.meta.dead-queue}'],
  setup: ({ metrics }) => ({
    letters: metrics.counter('blockhub_dead_letter_letters_total', 'Dead letters that were repaired or kept.', ['code', 'outcome']),
  }),
  async handle(message, context) {
    const letter = read(message);
    if (!letter) return keep(message, 'unreadable', context);
    const messages = findRepair(letter.code)?.(letter);
    const count = countOf(letter);
    if (!messages || count >= context.settings.repairs) return keep(message, letter.code, context);
    // The broker keeps the time: it survives a restart and holds nothing up.
    const later = (why: string): Outcome => retry(delayOf(count + message.attempts, context), why);
    if (message.attempts === 0) return later('it waits for a while before it is repaired');
    try {
      await context.publish(messages.map((one) => ({ ...one, meta: { ...one.meta, [REPAIRS]: count + 1 } })));
    } catch (error) {
      if (isTransient(error)) throw error;
      // Whoever takes from that queue may only have to start; each try counts as a repair.
      if (hasCode(error, 'BROKER_QUEUE_MISSING') && count + message.attempts < context.settings.repairs)
        return later('the queue that it belongs to does not exist');
      // A dead letter must not become another dead letter.
      context.log.warn({ code: letter.code, cause: errorCode(error) }, 'repair cannot be published');
      return keep(message, letter.code, context);
    }
    context.state.letters.labels({ code: letter.code, outcome: 'repaired' }).add();
    return done();
  },
});

type DeadLetterContext = Context<typeof settings, { letters: { labels(values: { code: string; outcome: string }): { add(): void } } }>;

function read(message: Message): DeadLetter | undefined {
  try {
    return readDeadLetter(message);
  } catch {
    return undefined;
  }
}

function countOf({ original }: DeadLetter): number {
  const count = original.meta[REPAIRS];
  return typeof count === 'number' ? count : 0;
}

const delayOf = (before: number, { settings }: DeadLetterContext): number => Math.min(MOST_DELAY_MS, settings.delay * 2 ** before);

async function keep(message: Message, code: string, context: DeadLetterContext): Promise<Outcome> {
  const { state, log } = context;
  const facts = { code, queue: message.meta['dead-queue'] };
  try {
    await context.publish([keepDeadLetter(message)], [message]);
  } catch (error) {
    if (isTransient(error)) throw error;
    // A dead letter of its own would take the code of this one away.
    log.warn({ ...facts, cause: errorCode(error) }, 'dead letter cannot be kept, trying again');
    return retry(delayOf(message.attempts, context), 'it cannot be published to the dead letters that are kept');
  }
  state.letters.labels({ code, outcome: 'kept' }).add();
  log.warn(facts, 'dead letter kept');
  return done();
}
