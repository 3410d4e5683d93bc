import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Broker, StoredMessage } from '@blockhub/broker';
import { BlockhubError, hasCode } from '@blockhub/errors';
import { type DeadLetter, queues, readDeadLetter, replayDeadLetter } from '@blockhub/message';
import type { Command } from 'commander';
import { isoTime, printable } from '../output.ts';
import type { Session } from '../session.ts';
import { isText } from '../sniff.ts';

interface Selection {
  all?: boolean;
  code?: string;
  chain?: string;
}

interface Kept {
  seq: string;
  letter: DeadLetter;
}

/** Taken in one go. */
const BATCH = 100;

export function define(command: Command, session: Session): void {
  filters(command.command('list').description('those that were given up, oldest first')).action((options: Selection) =>
    list(session, options),
  );
  command
    .command('show')
    .description('one with its reason, meta and body')
    .argument('<id>', 'message id')
    .action((id: string) => show(session, id));
  filters(command.command('replay').description('put them back into the queues they came from').argument('[ids...]', 'message ids'))
    .option('--all', 'every one')
    .action((ids: string[], options: Selection) => replay(session, ids, options));
  filters(command.command('discard').description('remove them for good').argument('[ids...]', 'message ids'))
    .option('--all', 'every one')
    .requiredOption('--reason <text>', 'why; it is logged with each message')
    .action((ids: string[], options: Selection & { reason: string }) => discard(session, ids, options));
}

const filters = (command: Command): Command =>
  command.option('--code <code>', 'given up with this error code').option('--chain <chain>', 'of this chain, as the message names it');

async function* keptLetters(broker: Broker, ids: readonly string[], { code, chain }: Selection): AsyncGenerator<Kept> {
  for await (const message of messages(broker)) {
    const letter = readDeadLetter(message);
    if (ids.length > 0 && !ids.includes(message.id)) continue;
    if (code !== undefined && letter.code !== code) continue;
    if (chain !== undefined && letter.original.meta.chain !== chain) continue;
    yield { seq: message.seq, letter };
  }
}

/** A broker that never had a dead letter may not have the queue. */
async function* messages(broker: Broker): AsyncGenerator<StoredMessage> {
  try {
    yield* broker.browse(queues.kept.name);
  } catch (error) {
    if (!hasCode(error, 'BROKER_QUEUE_MISSING')) throw error;
  }
}

const summary = ({ code, path, message, queue, attempts, firstAt, lastAt, original }: DeadLetter): object => ({
  id: original.id,
  code,
  queue,
  chain: original.meta.chain,
  message,
  ...(path === undefined ? {} : { path }),
  attempts,
  firstAt,
  lastAt,
  length: original.body.length,
});

async function list(session: Session, options: Selection): Promise<void> {
  const letters: DeadLetter[] = [];
  for await (const { letter } of keptLetters(await session.broker(), [], options)) letters.push(letter);
  if (session.out.format !== 'table') return session.out.all(letters.map(summary), {});
  await session.out.all(letters, {
    id: ({ original }) => original.id,
    code: ({ code }) => code,
    queue: ({ queue }) => queue,
    chain: ({ original }) => String(original.meta.chain ?? ''),
    attempts: ({ attempts }) => attempts,
    last: ({ lastAt }) => isoTime(lastAt),
    message: ({ message }) => message,
  });
}

async function show(session: Session, id: string): Promise<void> {
  let found = 0;
  for await (const { letter } of keptLetters(await session.broker(), [id], {})) {
    const { meta, body } = letter.original;
    const text = isText(body);
    const whole = { ...summary(letter), meta, ...(text ? { body: body.toString() } : { bodyBase64: body.toString('base64') }) };
    const lines = Object.entries({ ...summary(letter), ...meta }).map(([name, value]) => `${name.padEnd(9)} ${printable(String(value))}`);
    await session.out.item(whole, `${lines.join('\n')}\n\n${text ? printable(body.toString()) : `<binary, ${body.length} bytes>`}`);
    found++;
  }
  if (found === 0) throw none();
  await session.out.end();
}

async function replay(session: Session, ids: readonly string[], options: Selection): Promise<void> {
  demandSelection(ids, options);
  await takeEach(session, ids, options, 'replayed', async (broker, batch) => {
    await broker.take(
      queues.kept.name,
      batch.map(({ seq }) => seq),
      batch.map(({ letter }) => replayDeadLetter(letter)),
    );
  });
}

async function discard(session: Session, ids: readonly string[], options: Selection & { reason: string }): Promise<void> {
  demandSelection(ids, options);
  if (options.reason.trim() === '') throw new BlockhubError('USAGE', '--reason must say why');
  await takeEach(session, ids, options, 'discarded', async (broker, batch) => {
    // Logged first: what was captured is never dropped without a trace.
    const lines = batch.map(
      ({ letter }) =>
        `${JSON.stringify({ at: session.clock.now(), discarded: summary(letter), hash: letter.original.meta.hash, reason: options.reason })}\n`,
    );
    if (session.embedded) await appendFile(join(session.data, 'discarded.ndjson'), lines.join(''));
    else for (const line of lines) session.note(line.trimEnd());
    await broker.take(
      queues.kept.name,
      batch.map(({ seq }) => seq),
    );
  });
}

function demandSelection(ids: readonly string[], { all, code, chain }: Selection): void {
  if (ids.length === 0 && !all && code === undefined && chain === undefined)
    throw new BlockhubError('USAGE', 'say which: message ids, --code, --chain or --all');
}

const none = (): BlockhubError => new BlockhubError('DEAD_LETTER_NOT_FOUND', 'no dead letter matches');

async function takeEach(
  session: Session,
  ids: readonly string[],
  options: Selection,
  verb: string,
  take: (broker: Broker, batch: readonly Kept[]) => Promise<void>,
): Promise<void> {
  const broker = await session.broker();
  const all: Kept[] = [];
  for await (const kept of keptLetters(broker, ids, options)) all.push(kept);
  if (all.length === 0) throw none();
  for (let at = 0; at < all.length; at += BATCH) {
    session.signal.throwIfAborted();
    const batch = all.slice(at, at + BATCH);
    await take(broker, batch);
    for (const { letter } of batch)
      await session.out.item({ type: verb, ...summary(letter) }, `${verb} ${letter.original.id} ${letter.code} ${letter.queue}`);
  }
  await session.out.end();
}
