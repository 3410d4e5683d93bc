import { BlockhubError, quote } from '@blockhub/errors';
import { type DecodeCaps, decode } from '@blockhub/media';
import { parseSize } from '@blockhub/settings';
import type { Command } from 'commander';
import { bytesOf, type Found, findById } from '../find-by-id.ts';
import { ONE_CHAIN_HELP } from '../options.ts';
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
    .argument('<id>', 'Event id or hash of a blob, or block id. The first 8 or more digits are enough.')
    .option('--chain <chain>', ONE_CHAIN_HELP)
    .option('--decode', 'Undo the content codings that the blob was sent with: gzip, deflate, br, zstd.')
    .option('--decode-limit <size>', 'Maximum size of the output of --decode.', '1gb')
    .option('--decode-ratio <times>', 'Maximum ratio of the decoded to the stored size. Checked after 1 MB.', '200')
    .action(async (id: string, options: Options) => {
      const caps = { maxBytes: parseSize(options.decodeLimit), maxRatio: parseRatio(options.decodeRatio) };
      const store = await session.store();
      const found = await findById(session, store, id, options.chain);
      const bytes = await bytesOf(store, found);
      const coding = options.decode ? codingToUndo(found) : undefined;
      if (coding === undefined) await session.out.write(bytes);
      else await writeDecoded(session, bytes, coding, caps);
    });
}

function parseRatio(text: string): number {
  const ratio = Number(text);
  if (Number.isInteger(ratio) && ratio >= 1) return ratio;
  throw new BlockhubError('USAGE', `--decode-ratio must be a whole number of 1 or more; got ${quote(text)}`);
}

/** A block has no content coding. That of an object without a block is not known. */
function codingToUndo(found: Found): string | undefined {
  if (found.kind === 'blob') return codingOf(found.receipt.meta);
  if (found.kind === 'block') return undefined;
  throw new BlockhubError('USAGE', `no block refers to ${found.key}, so its content coding is not known; run the command without --decode`);
}

/** Decodes twice, so that nothing is written of a blob that is broken or above a limit. */
async function writeDecoded(session: Session, bytes: Buffer, coding: string, caps: DecodeCaps): Promise<void> {
  for await (const _ of decode(bytes, coding, caps)) session.signal.throwIfAborted();
  for await (const piece of decode(bytes, coding, caps)) {
    session.signal.throwIfAborted();
    await session.out.write(piece);
  }
}
