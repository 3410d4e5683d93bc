import { isUtf8 } from 'node:buffer';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Broker, Meta, MetaValue, Outgoing, StoredMessage } from '@blockhub/broker';
import { chainText, readChain, readId } from '@blockhub/chain';
import { BlockhubError, hasCode } from '@blockhub/errors';
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

/** What is known of a letter without its body, small enough to hold many. */
interface Summary {
  readonly id: string;
  readonly code: string;
  readonly cause?: string;
  readonly queue: string | undefined;
  readonly chain: MetaValue | undefined;
  readonly message: string;
  readonly path?: string;
  readonly attempts: number | undefined;
  readonly firstAt: number | undefined;
  readonly lastAt: number | undefined;
  readonly length: number;
  /** It lacks what a dead letter must have: it can be looked at and discarded, but nobody knows where to replay it to. */
  readonly unreadable?: true;
}

interface Kept {
  readonly seq: string;
  readonly summary: Summary;
  /** Of the original; of an unreadable one all that there is. */
  readonly meta: Meta;
  readonly body: Buffer;
  readonly letter: DeadLetter | undefined;
}

type Readable = Kept & { readonly letter: DeadLetter };

/** Bodies held at a time, taken in one go; a larger body goes alone. */
const MAX_BATCH = 100;
const MAX_BATCH_BYTES = 8 * 2 ** 20;
/** The widths of a table are known only once all its rows are. */
const MAX_ROWS = 10_000;
/** The last time that a Date can hold, in ms. */
const MAX_TIME = 8.64e15;

export function define(command: Command, session: Session): void {
  filters(command.command('list').description('those that were given up, oldest first')).action((options: Selection) =>
    list(session, options),
  );
  command
    .command('show')
    .description('one with its reason, meta and body; the oldest if several have the id')
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

async function* keptLetters({ signal }: Session, broker: Broker, ids: readonly string[], { code, chain }: Selection): AsyncGenerator<Kept> {
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

/** The id as it was given, and in its one form if it is one of an event, block or hash. */
function spellings(text: string): string[] {
  const read = readId(text);
  return [text, ...(read.kind === 'id' ? [read.event, read.hash] : [])].filter((one) => one !== undefined);
}

/** A broker that never had a dead letter may not have the queue. */
async function* messages(broker: Broker): AsyncGenerator<StoredMessage> {
  try {
    yield* broker.browse(queues.kept.name);
  } catch (error) {
    if (!hasCode(error, 'BROKER_QUEUE_MISSING')) throw error;
  }
}

/** The dead-letter service keeps what is no dead letter, too: such a message must not hide the others. */
function read(message: StoredMessage): Kept {
  const { seq, body } = message;
  try {
    const letter = readDeadLetter(message);
    return { seq, summary: summaryOf(letter), meta: letter.original.meta, body, letter };
  } catch (error) {
    if (!hasCode(error, 'MESSAGE_INVALID')) throw error;
    return { seq, summary: unreadableSummary(message, error), meta: message.meta, body, letter: undefined };
  }
}

const summaryOf = ({ code, cause, path, message, queue, attempts, firstAt, lastAt, original }: DeadLetter): Summary => ({
  id: original.id,
  code,
  ...(cause === undefined ? {} : { cause }),
  queue,
  chain: original.meta.chain,
  message,
  ...(path === undefined ? {} : { path }),
  attempts,
  firstAt,
  lastAt,
  length: original.body.length,
});

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
    ...(typeof details.path === 'string' ? { path: details.path } : {}),
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
      session.note(`only the first ${MAX_ROWS} are shown; --code and --chain narrow it down, --output ndjson lists all`);
      break;
    }
  }
  if (count === 0) refuseSlips([], options);
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
  const refuse = ({ summary }: Kept, code: string, why: string): void => {
    refused++;
    session.exitCode = exitCodes.faults;
    session.note(printable(`${code}: ${summary.id} cannot be replayed, ${why}; it stays here`));
  };
  async function* replayable(): AsyncGenerator<Readable> {
    for await (const kept of keptLetters(session, broker, ids, options)) {
      if (isReadable(kept)) yield kept;
      else refuse(kept, kept.summary.code, kept.summary.message);
    }
  }
  const putBack = async (batch: readonly Readable[]): Promise<readonly Readable[]> => {
    try {
      const originals = batch.map(({ letter }) => replayDeadLetter(letter));
      await take(broker, batch, originals);
      return batch;
    } catch (error) {
      if (!hasCode(error, 'BROKER_QUEUE_MISSING')) throw error;
      // None was taken, because one has no queue to go back to: each goes alone.
      if (batch.length > 1) return (await Array.fromAsync(batch, (one) => putBack([one]))).flat();
      for (const one of batch) refuse(one, error.code, error.message);
      return [];
    }
  };
  const count = await takeEach(session, 'replayed', replayable(), putBack);
  if (count + refused === 0) throw none(ids, options);
  await session.out.end();
}

const isReadable = (kept: Kept): kept is Readable => kept.letter !== undefined;

async function discard(session: Session, ids: readonly string[], options: Selection & { reason: string }): Promise<void> {
  demandSelection(ids, options);
  if (options.reason.trim() === '') throw new BlockhubError('USAGE', '--reason must say why');
  const broker = await session.broker();
  const count = await takeEach(session, 'discarded', keptLetters(session, broker, ids, options), async (batch) => {
    // Logged first: what was captured is never dropped without a trace.
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
    throw new BlockhubError('USAGE', 'say which: message ids, --code, --chain or --all');
}

/** A slip in an id is not a letter that is gone. @throws USAGE */
function refuseSlips(ids: readonly string[], { chain }: Selection): void {
  const refuse = (what: string): never => {
    throw new BlockhubError('USAGE', what);
  };
  for (const id of ids) {
    const read = readId(id);
    if (read.kind === 'wrong' && read.meant) refuse(`no dead letter has the id ${JSON.stringify(id)}: it ${read.wrong}`);
  }
  const wrong = chain === undefined ? undefined : readChain(chain).wrong;
  if (wrong !== undefined) refuse(`--chain: no dead letter names ${JSON.stringify(chain)}; as an id it ${wrong}`);
}

function none(ids: readonly string[], options: Selection = {}): BlockhubError {
  refuseSlips(ids, options);
  return new BlockhubError('DEAD_LETTER_NOT_FOUND', 'no dead letter matches');
}

const take = (broker: Broker, batch: readonly Kept[], replacement?: readonly Outgoing[]): Promise<void> =>
  broker.take(
    queues.kept.name,
    batch.map(({ seq }) => seq),
    replacement,
  );

/** Takes the letters batch by batch, tells of those that `take` gives back, and gives how many they were. */
async function takeEach<Letter extends Kept>(
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
      await session.out.item(
        { type: verb, ...summary },
        printable([verb, summary.id, summary.code, summary.queue ?? ''].join(' ').trimEnd()),
      );
    }
  }
  return count;
}

async function* batches<Letter extends Kept>(letters: AsyncIterable<Letter>): AsyncGenerator<readonly Letter[]> {
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
