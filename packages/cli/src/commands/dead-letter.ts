import { isUtf8 } from 'node:buffer';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Broker, Meta, MetaValue, Outgoing, StoredMessage } from '@blockhub/broker';
import { chainText, readChain, readId } from '@blockhub/chain';
import { BlockhubError, hasCode, quote } from '@blockhub/errors';
import { hasBinary } from '@blockhub/media';
import { type DeadLetter, queues, readDeadLetter, replayDeadLetter } from '@blockhub/message';
import type { Command } from 'commander';
import { exitCodes } from '../exit.ts';
import { isoTime, printable } from '../output.ts';
import type { Session } from '../session.ts';

interface Selection {
  all?: boolean;
  code?: string;
  chain?: string;
}

/** A dead letter without its body, small enough to hold many. */
interface Summary {
  readonly id: string;
  readonly code: string;
  readonly cause?: string | undefined;
  readonly queue: string | undefined;
  readonly chain: MetaValue | undefined;
  readonly message: string;
  readonly path: string | undefined;
  readonly attempts: number | undefined;
  readonly firstAt: number | undefined;
  readonly lastAt: number | undefined;
  readonly length: number;
  /** Not a dead letter, so it cannot be replayed. It can be shown and discarded. */
  readonly unreadable?: true;
}

interface StoredLetter {
  readonly seq: string;
  readonly summary: Summary;
  /** Of the original message, or of the whole message if it is unreadable. */
  readonly meta: Meta;
  readonly body: Buffer;
  readonly letter: DeadLetter | undefined;
}

type ReadableLetter = StoredLetter & { readonly letter: DeadLetter };

/** Dead letters that are held and taken together. A larger body is taken alone. */
const MAX_BATCH = 100;
const MAX_BATCH_BYTES = 8 * 2 ** 20;
/** All rows of a table are held, to find the widths of its columns. */
const MAX_ROWS = 10_000;
const MAX_TIME = 8.64e15;

export function define(command: Command, session: Session): void {
  filters(command.command('list').description('List dead letters, oldest first.')).action((options: Selection) => list(session, options));
  command
    .command('show')
    .description('Show a dead letter with its error, meta fields and body. If several have the id, show the oldest.')
    .argument('<id>', 'Message id.')
    .action((id: string) => show(session, id));
  filters(command.command('replay').description('Publish dead letters to the queues they came from.').argument('[ids...]', 'Message ids.'))
    .option('--all', 'All dead letters.')
    .action((ids: string[], options: Selection) => replay(session, ids, options));
  filters(command.command('discard').description('Delete dead letters. This cannot be undone.').argument('[ids...]', 'Message ids.'))
    .option('--all', 'All dead letters.')
    .requiredOption('--reason <text>', 'Why they are discarded. It is logged with each message.')
    .action((ids: string[], options: Selection & { reason: string }) => discard(session, ids, options));
}

const filters = (command: Command): Command =>
  command
    .option('--code <code>', 'Only dead letters with this error code.')
    .option('--chain <chain>', 'Only dead letters of this chain, as their messages name it.');

async function* keptLetters(
  { signal }: Session,
  broker: Broker,
  ids: readonly string[],
  { code, chain }: Selection,
): AsyncGenerator<StoredLetter> {
  const wanted = new Set(ids.flatMap(spellings));
  const wantedChain = chain === undefined ? undefined : chainText(chain);
  for await (const message of messages(broker)) {
    signal.throwIfAborted();
    if (ids.length > 0 && !wanted.has(message.id)) continue;
    const kept = read(message);
    if (code !== undefined && kept.summary.code !== code) continue;
    if (wantedChain !== undefined && kept.meta.chain !== wantedChain) continue;
    yield kept;
  }
}

/** The text, and the id in it in its normal form. */
function spellings(text: string): string[] {
  const read = readId(text);
  return [text, ...(read.kind === 'id' ? [read.event, read.hash] : [])].filter((one) => one !== undefined);
}

/** A broker without dead letters may not have the queue. */
async function* messages(broker: Broker): AsyncGenerator<StoredMessage> {
  try {
    yield* broker.browse(queues.kept.name);
  } catch (error) {
    if (!hasCode(error, 'BROKER_QUEUE_MISSING')) throw error;
  }
}

/** The queue may also have messages that are not dead letters. They must not hide the others. */
function read(message: StoredMessage): StoredLetter {
  const { seq, body } = message;
  try {
    const letter = readDeadLetter(message);
    return { seq, summary: summaryOf(letter), meta: letter.original.meta, body, letter };
  } catch (error) {
    if (!hasCode(error, 'MESSAGE_INVALID')) throw error;
    return { seq, summary: unreadableSummary(message, error), meta: message.meta, body, letter: undefined };
  }
}

function summaryOf({ code, cause, path, message, queue, attempts, firstAt, lastAt, original }: DeadLetter): Summary {
  const { id, meta, body } = original;
  return { id, code, cause, queue, chain: meta.chain, message, path, attempts, firstAt, lastAt, length: body.length };
}

function unreadableSummary({ id, meta, body }: StoredMessage, { code, message, details }: BlockhubError): Summary {
  const queue = meta['dead-queue'];
  const known = (name: string): number | undefined => {
    const value = meta[name];
    return typeof value === 'number' ? value : undefined;
  };
  return {
    id,
    code,
    queue: typeof queue === 'string' ? queue : undefined,
    chain: meta.chain,
    message,
    path: typeof details.path === 'string' ? details.path : undefined,
    attempts: known('dead-attempts'),
    firstAt: known('dead-first-at'),
    lastAt: known('dead-last-at'),
    length: body.length,
    unreadable: true,
  };
}

async function list(session: Session, options: Selection): Promise<void> {
  const rows: Summary[] = [];
  let count = 0;
  for await (const { summary } of keptLetters(session, await session.broker(), [], options)) {
    count++;
    if (session.out.format !== 'table') await session.out.item(summary, '');
    else if (rows.length < MAX_ROWS) rows.push(summary);
    else {
      session.note(`only the first ${MAX_ROWS} are shown; select with --code or --chain, or list all with --output ndjson`);
      break;
    }
  }
  if (count === 0) refuseTypingErrors([], options);
  if (session.out.format !== 'table') return session.out.end();
  await session.out.all(rows, {
    id: ({ id }) => id,
    code: ({ code }) => code,
    queue: ({ queue }) => queue ?? '',
    chain: ({ chain }) => String(chain ?? ''),
    attempts: ({ attempts }) => attempts ?? '',
    last: ({ lastAt }) => timeText(lastAt),
    message: ({ message }) => message,
  });
}

function timeText(ms: number | undefined): string {
  if (ms === undefined) return '';
  return Math.abs(ms) <= MAX_TIME ? isoTime(ms) : String(ms);
}

async function show(session: Session, id: string): Promise<void> {
  for await (const { summary, meta, body } of keptLetters(session, await session.broker(), [id], {})) {
    const text = isUtf8(body) && !hasBinary(body, 0, body.length);
    const whole = { ...summary, meta, ...(text ? { body: body.toString() } : { bodyBase64: body.toString('base64') }) };
    const lines = Object.entries({ ...summary, ...meta })
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name.padEnd(9)} ${printable(String(value))}`);
    await session.out.item(whole, `${lines.join('\n')}\n\n${text ? printable(body.toString()) : `<binary, ${body.length} bytes>`}`);
    return session.out.end();
  }
  throw none([id]);
}

async function replay(session: Session, ids: readonly string[], options: Selection): Promise<void> {
  demandSelection(ids, options);
  const broker = await session.broker();
  let refused = 0;
  const refuse = ({ summary }: StoredLetter, code: string, why: string): void => {
    refused++;
    session.exitCode = exitCodes.faults;
    session.note(printable(`${code}: ${summary.id} cannot be replayed, so it is kept: ${why}`));
  };
  async function* replayable(): AsyncGenerator<ReadableLetter> {
    for await (const kept of keptLetters(session, broker, ids, options)) {
      if (isReadable(kept)) yield kept;
      else refuse(kept, kept.summary.code, kept.summary.message);
    }
  }
  const putBack = async (batch: readonly ReadableLetter[]): Promise<readonly ReadableLetter[]> => {
    try {
      const originals = batch.map(({ letter }) => replayDeadLetter(letter));
      await take(broker, batch, originals);
      return batch;
    } catch (error) {
      if (!hasCode(error, 'BROKER_QUEUE_MISSING')) throw error;
      // The queue of one is missing, so none was taken. Each is taken alone.
      if (batch.length > 1) return (await Array.fromAsync(batch, (one) => putBack([one]))).flat();
      for (const one of batch) refuse(one, error.code, error.message);
      return [];
    }
  };
  const count = await takeEach(session, 'replayed', replayable(), putBack);
  if (count + refused === 0) throw none(ids, options);
  await session.out.end();
}

const isReadable = (stored: StoredLetter): stored is ReadableLetter => stored.letter !== undefined;

async function discard(session: Session, ids: readonly string[], options: Selection & { reason: string }): Promise<void> {
  demandSelection(ids, options);
  if (options.reason.trim() === '') throw new BlockhubError('USAGE', '--reason is empty; expected why they are discarded');
  const broker = await session.broker();
  const count = await takeEach(session, 'discarded', keptLetters(session, broker, ids, options), async (batch) => {
    // Logged first, so that no captured message is deleted without a record.
    const lines = batch.map(
      ({ summary, meta }) =>
        `${JSON.stringify({ at: session.clock.now(), discarded: summary, hash: meta.hash, reason: options.reason })}\n`,
    );
    if (session.embedded) await appendFile(join(session.data, 'discarded.ndjson'), lines.join(''));
    else for (const line of lines) session.note(line.trimEnd());
    await take(broker, batch);
    return batch;
  });
  if (count === 0) throw none(ids, options);
  await session.out.end();
}

function demandSelection(ids: readonly string[], { all, code, chain }: Selection): void {
  if (ids.length === 0 && !all && code === undefined && chain === undefined)
    throw new BlockhubError('USAGE', 'no dead letters are selected; expected message ids, --code, --chain or --all');
}

/** An id with a typing error is not reported as "not found". @throws USAGE */
function refuseTypingErrors(ids: readonly string[], { chain }: Selection): void {
  const refuse = (what: string): never => {
    throw new BlockhubError('USAGE', what);
  };
  for (const id of ids) {
    const read = readId(id);
    if (read.kind === 'wrong' && read.meant) refuse(`no dead letter has the id ${quote(id)}: it ${read.wrong}`);
  }
  if (chain === undefined) return;
  const { wrong } = readChain(chain);
  if (wrong !== undefined) refuse(`--chain: no dead letter has the chain ${quote(chain)}; as an id, it ${wrong}`);
}

function none(ids: readonly string[], options: Selection = {}): BlockhubError {
  refuseTypingErrors(ids, options);
  return new BlockhubError('DEAD_LETTER_NOT_FOUND', 'no dead letter matches');
}

function take(broker: Broker, batch: readonly StoredLetter[], replacement?: readonly Outgoing[]): Promise<void> {
  const seqs = batch.map(({ seq }) => seq);
  return broker.take(queues.kept.name, seqs, replacement);
}

/** Takes the letters in batches. Prints those that `take` returns, and returns their number. */
async function takeEach<Letter extends StoredLetter>(
  session: Session,
  verb: string,
  letters: AsyncIterable<Letter>,
  take: (batch: readonly Letter[]) => Promise<readonly Letter[]>,
): Promise<number> {
  let count = 0;
  for await (const batch of batches(letters)) {
    session.signal.throwIfAborted();
    for (const { summary } of await take(batch)) {
      count++;
      const text = [verb, summary.id, summary.code, summary.queue ?? ''].join(' ').trimEnd();
      await session.out.item({ type: verb, ...summary }, printable(text));
    }
  }
  return count;
}

async function* batches<Letter extends StoredLetter>(letters: AsyncIterable<Letter>): AsyncGenerator<readonly Letter[]> {
  let batch: Letter[] = [];
  let bytes = 0;
  for await (const letter of letters) {
    if (bytes + letter.body.length > MAX_BATCH_BYTES || batch.length === MAX_BATCH) {
      if (batch.length > 0) yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(letter);
    bytes += letter.body.length;
  }
  if (batch.length > 0) yield batch;
}
