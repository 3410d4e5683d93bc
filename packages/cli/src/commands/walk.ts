import type { Receipt } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
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
import { inOption } from '../options.ts';
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

/** Text over this is cut on a terminal; `cat` shows it all. */
const SHOWN_BYTES = 16 * 1024;
const POLL_MS = '500';

export function define(command: Command, session: Session): void {
  const place = 'height, -count from the tail (-1 is the tail), block id, or time such as 2026-05-01T12:00:00Z or 2026-05-01 (00:00 UTC)';
  command
    .argument('[chain]', 'id or name (default: the chain named default, or the only one)')
    .option('--from <place>', `first block: ${place} (default: the root)`)
    .option('--to <place>', 'last block, in the same forms (default: the tail)')
    .option('--live', 'do not end at the tail, show each block as it comes')
    .option('--poll <ms>', 'how often --live asks for the next height', POLL_MS)
    .addOption(new Option('--verify [level]', 'what is checked; without a level: blobs (default: links)').choices(verifyLevels))
    .option('--skip-next-check', 'do not check that each block names the one before it; everything else is checked')
    .action(async (nameOrId: string | undefined, options: Options) => {
      const [from, to] = (['from', 'to'] as const).map((name) => placeOf(name, options[name]));
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
        ...(from === undefined ? {} : { from }),
        ...(to === undefined ? {} : { to }),
        onUnseen: session.skipped.add,
        ...(options.live ? { live: { pollMs: pollMs(options.poll) } } : {}),
        verify: options.verify === true ? 'blobs' : (options.verify ?? 'links'),
        skipNextCheck: options.skipNextCheck === true,
        signal: session.signal,
        clock: session.clock,
        onCaughtUp: () => session.io.stderr.isTTY && session.note('at the tail, waiting for more'),
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

const placeOf = (name: string, text: string | undefined): Position | undefined =>
  text === undefined ? undefined : inOption(`--${name}`, () => parsePosition(text));

/** The options of a walk that goes on. */
const sameAgain = ({ to, live, poll, verify, skipNextCheck }: Options): string[] => [
  ...(to === undefined ? [] : ['--to', to]),
  ...(live ? ['--live', ...(poll === POLL_MS ? [] : ['--poll', poll])] : []),
  ...(verify === undefined ? [] : verify === true ? ['--verify'] : ['--verify', verify]),
  ...(skipNextCheck ? ['--skip-next-check'] : []),
];

function pollMs(text: string): number {
  const ms = Number(text);
  if (Number.isInteger(ms) && ms >= 10) return ms;
  throw new BlockhubError('USAGE', `--poll is a number of milliseconds from 10 on, not ${text}`);
}

/** The block line, a `Block` of the schemas of chains. */
export function lineOf({ chain, id, prev, next, height, time, blobs }: WalkedBlock): object {
  return { chain, id, prev, next, height, time, blobs: blobs.map(itemOf) };
}

/** What the id commits to first, then the mime, then other meta; meta neither replaces what the id commits to nor pretends to be of it. */
function itemOf({ event, crypt, hash, length, sha256, meta }: Receipt): object {
  const { mime, ...rest } = meta;
  const fixed = { event, crypt, hash, length, ...(mime === undefined ? {} : { mime }), ...(sha256 === undefined ? {} : { sha256 }) };
  return { ...fixed, ...rest, ...fixed };
}

/** For people. The blobs are read for it, so one that is not there, or not what its hash says, is a fault that was found. */
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
  // How many bytes a coded blob has inside is known to who reads all of it.
  const rest = coding === '' ? `${bytes.length - SHOWN_BYTES} more bytes` : 'more';
  return `${head}\n${problem}${text}\n${preview.more ? out.dim(`<${rest}>\n`) : ''}`;
}
