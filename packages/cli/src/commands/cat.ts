import { BlockhubError } from '@blockhub/errors';
import { type DecodeCaps, decode } from '@blockhub/media';
import { parseSize } from '@blockhub/settings';
import type { Command } from 'commander';
import { bytesOf, type Found, findById } from '../find-by-id.ts';
import { codingOf } from '../preview.ts';
import type { Session } from '../session.ts';

interface Options {
  chain?: string;
  decode?: boolean;
  decodeLimit: string;
  decodeRatio: string;
}

export function define(command: Command, session: Session): void {
  command
    .argument('<id>', 'event id or hash of a blob, or a block id')
    .option('--chain <chain>', 'look only in this chain, id or name')
    .option('--decode', 'undo the content codings that the blob was sent with: gzip, deflate, br, zstd')
    .option('--decode-limit <size>', 'most bytes that --decode writes', '1gb')
    .option('--decode-ratio <times>', 'how many times larger than stored a decoded blob may be, counted from 1 MB on', '200')
    .action(async (id: string, options: Options) => {
      const caps = { maxBytes: parseSize(options.decodeLimit), maxRatio: parseRatio(options.decodeRatio) };
      const store = await session.store();
      const thing = await findById(session, store, id, options.chain);
      const bytes = await bytesOf(store, thing);
      const coding = options.decode ? codingToUndo(thing) : undefined;
      if (coding === undefined) await session.out.write(bytes);
      else await writeDecoded(session, bytes, coding, caps);
    });
}

function parseRatio(text: string): number {
  const ratio = Number(text);
  if (Number.isInteger(ratio) && ratio >= 1) return ratio;
  throw new BlockhubError('USAGE', `--decode-ratio must be a whole number from 1 on, got ${JSON.stringify(text)}`);
}

/** A block has no coding. The coding of an object without a block is unknown. */
function codingToUndo(thing: Found): string | undefined {
  if (thing.kind === 'blob') return codingOf(thing.receipt.meta);
  if (thing.kind === 'block') return undefined;
  throw new BlockhubError(
    'USAGE',
    `No block refers to ${thing.key}, so its content coding is not known. Run the command without --decode.`,
  );
}

/** Decodes twice: of a blob that is broken or over a cap nothing is written, and none of it is kept in memory. */
async function writeDecoded(session: Session, bytes: Buffer, coding: string, caps: DecodeCaps): Promise<void> {
  for await (const _ of decode(bytes, coding, caps)) session.signal.throwIfAborted();
  for await (const piece of decode(bytes, coding, caps)) {
    session.signal.throwIfAborted();
    await session.out.write(piece);
  }
}
