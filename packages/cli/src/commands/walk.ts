import type { Receipt } from '@blockhub/chain';
import { BlockhubError, quote } from '@blockhub/errors';
import type { Store } from '@blockhub/store';
import {
  type HydratedBlob,
  heightText,
  type Position,
  parsePosition,
  readBlobs,
  type VerifyLevel,
  verifyLevels,
  type WalkedBlock,
  walk,
} from '@blockhub/walker';
import { type Command, Option } from 'commander';
import { exitCodes } from '../exit.ts';
import { CHAIN_HELP, inOption } from '../options.ts';
import { type Output, oneLine, printable } from '../output.ts';
import { previewOf } from '../preview.ts';
import type { Session } from '../session.ts';

interface Options {
  from?: string;
  to?: string;
  live?: boolean;
  poll: string;
  verify?: VerifyLevel | true;
  skipNextCheck?: boolean;
}

/** Maximum bytes of a blob in a table. `cat` shows all of it. */
const SHOWN_BYTES = 16 * 1024;
const POLL_MS = '500';

export function define(command: Command, session: Session): void {
  const forms =
    'a height, -count from the tail (-1 is the tail), a block id, or a time such as 2026-05-01T12:00:00Z or 2026-05-01 (00:00 UTC)';
  command
    .argument('[chain]', CHAIN_HELP)
    .option('--from <position>', `First block: ${forms}. Default: the root.`)
    .option('--to <position>', 'Last block, in the same forms. Default: the tail.')
    .option('--live', 'Do not end at the tail, but show each new block.')
    .option('--poll <ms>', 'How often --live looks for a new block, in milliseconds.', POLL_MS)
    .addOption(
      new Option('--verify [level]', 'What to check, see `verify --help`. If no level is named: blobs. Default: links.').choices(
        verifyLevels,
      ),
    )
    .option('--skip-next-check', 'Do not check that each block names the one before it. Everything else is checked.')
    .action(async (nameOrId: string | undefined, options: Options) => {
      const [from, to] = (['from', 'to'] as const).map((name) => positionOf(name, options[name]));
      const store = await session.store();
      const { id: chain } = await session.chain(store, nameOrId);
      let last = -1;
      session.resume = () =>
        session.commandLine(
          'walk',
          nameOrId ?? chain,
          '--from',
          last < 0 ? (options.from ?? '0') : heightText(last + 1),
          ...sameAgain(options),
        );
      const batches = walk(store, {
        chain,
        from,
        to,
        onUnseen: session.skipped.add,
        ...(options.live ? { live: { pollMs: pollMs(options.poll) } } : {}),
        verify: options.verify === true ? 'blobs' : (options.verify ?? 'links'),
        skipNextCheck: options.skipNextCheck === true,
        signal: session.signal,
        clock: session.clock,
        onCaughtUp: () => session.io.stderr.isTTY && session.note('at the tail, waiting for new blocks'),
      });
      const progress = session.progress();
      let count = 0;
      for await (const { blocks } of batches) {
        for (const block of blocks) {
          await (session.out.format === 'table' ? show(store, block, session) : session.out.item(lineOf(block), ''));
          last = block.height;
        }
        count += blocks.length;
        if (!session.io.stdout.isTTY) progress.update((seconds) => `height ${last}, ${Math.round(count / seconds)} blocks/s`);
      }
      if (session.out.format === 'json') await session.out.end();
    });
}

const positionOf = (name: string, text: string | undefined): Position | undefined =>
  text === undefined ? undefined : inOption(`--${name}`, () => parsePosition(text));

/** The options of the command line that continues. */
const sameAgain = ({ to, live, poll, verify, skipNextCheck }: Options): string[] => [
  ...(to === undefined ? [] : ['--to', to]),
  ...(live ? ['--live', ...(poll === POLL_MS ? [] : ['--poll', poll])] : []),
  ...(verify === undefined ? [] : verify === true ? ['--verify'] : ['--verify', verify]),
  ...(skipNextCheck ? ['--skip-next-check'] : []),
];

function pollMs(text: string): number {
  const ms = Number(text);
  if (Number.isInteger(ms) && ms >= 10) return ms;
  throw new BlockhubError('USAGE', `--poll must be a whole number of milliseconds, at least 10; got ${quote(text)}`);
}

/** The line of a block: a `Block` of the schemas of the chain package. */
export function lineOf({ chain, id, prev, next, height, time, blobs }: WalkedBlock): object {
  return { chain, id, prev, next, height, time, blobs: blobs.map(itemOf) };
}

/** The fields that the id covers, then mime, then other meta fields, which cannot replace those. */
function itemOf({ event, crypt, hash, length, sha256, meta }: Receipt): object {
  const { mime, ...rest } = meta;
  const fixed = { event, crypt, hash, length, ...(mime === undefined ? {} : { mime }), ...(sha256 === undefined ? {} : { sha256 }) };
  return { ...fixed, ...rest, ...fixed };
}

/** The text of a block. It reads the blobs, so a missing or changed blob is a fault. */
async function show(store: Store, block: WalkedBlock, session: Session): Promise<void> {
  const { out, signal } = session;
  await out.write(`B:${block.id} H:${block.height}\n`);
  for await (const blob of readBlobs(store, [block], { signal })) {
    if (blob.fault) session.exitCode = exitCodes.faults;
    await out.write(await shown(blob, out));
  }
}

async function shown({ receipt, index, bytes, fault }: HydratedBlob, out: Output): Promise<string> {
  const { meta, hash } = receipt;
  const preview = bytes && (await previewOf(bytes, meta, SHOWN_BYTES));
  const mime = typeof meta.mime === 'string' ? meta.mime : (preview?.type ?? '?');
  const coding = meta.coding === undefined ? '' : ` CODING:${oneLine(String(meta.coding))}`;
  const head = `A:${hash} #${index} TYPE:${printable(mime)}${coding}`;
  if (!bytes || !preview) return `${head}\n${out.red(fault?.message ?? 'missing')}\n`;
  const problem = preview.problem === undefined ? '' : `${out.dim(`<${printable(preview.problem)}>`)}\n`;
  if (preview.text === undefined) return `${head}\n${problem}${out.dim(`<binary, ${bytes.length} bytes>`)}\n`;
  const text = printable(preview.text).replace(/\n$/, '');
  // The decoded length is not known, because only the start was decoded.
  const rest = coding === '' ? `${bytes.length - SHOWN_BYTES} more bytes` : 'more';
  return `${head}\n${problem}${text}\n${preview.more ? out.dim(`<${rest}>\n`) : ''}`;
}
