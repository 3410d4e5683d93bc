import { errorCode, hasCode, isTransient } from '@blockhub/errors';
import { type DeadLetter, keepDeadLetter, type Message, queues, REPAIRS, readDeadLetter } from '@blockhub/message';
import { setting } from '@blockhub/settings';
import { type Context, defineWorker, done, type Outcome, retry } from '@blockhub/worker';
import { findRepair } from './repairs.ts';

const settings = {
  in: setting.text({ text: 'Queue of dead letters.', default: queues.deadLetter.name }),
  delay: setting.duration({ text: 'Time until the first repair. It is doubled for each further one, up to an hour.', default: '30s' }),
  repairs: setting.integer({ text: 'Maximum number of repairs of one message. After that it is kept.', default: 5 }),
  prefetch: setting.integer({ text: 'Maximum number of unsettled dead letters.', default: 50, min: 1, max: 2000 }),
};

const MOST_DELAY_MS = 60 * 60 * 1000;

export const worker = defineWorker({
  name: 'dead-letter',
  summary: 'Publishes dead letters again if that can repair them, and keeps the rest.',
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
    // A retry is kept by the broker, so it survives a restart and blocks no other message.
    const later = (why: string): Outcome => retry(delayOf(count + message.attempts, context), why);
    if (message.attempts === 0) return later('it waits until its first repair');
    try {
      await context.publish(messages.map((one) => ({ ...one, meta: { ...one.meta, [REPAIRS]: count + 1 } })));
    } catch (error) {
      if (isTransient(error)) throw error;
      // The service that declares the queue may start later. Each attempt counts as a repair.
      if (hasCode(error, 'BROKER_QUEUE_MISSING') && count + message.attempts < context.settings.repairs)
        return later('the queue that it came from does not exist');
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
    // A rejected dead letter would lose its code, so it is retried.
    log.warn({ ...facts, cause: errorCode(error) }, 'dead letter cannot be kept, trying again');
    return retry(delayOf(message.attempts, context), 'it cannot be published to dead-letter.kept');
  }
  state.letters.labels({ code, outcome: 'kept' }).add();
  log.warn(facts, 'dead letter kept');
  return done();
}
