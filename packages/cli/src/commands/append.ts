import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { addAbortSignal } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { newEvent } from '@blockhub/chain';
import { BlockhubError, quote } from '@blockhub/errors';
import { describe, isMime } from '@blockhub/media';
import { append, type NewBlob } from '@blockhub/writer';
import type { Command } from 'commander';
import { CHAIN_HELP } from '../options.ts';
import { counted } from '../output.ts';
import type { Session } from '../session.ts';

interface Options {
  chain?: string;
  mime?: string;
  allowEmpty?: boolean;
}

export function define(command: Command, session: Session): void {
  command
    .argument('[files...]', 'Files. Each becomes one blob; all are in one block. Default: standard input, also written as -.')
    .option('--chain <chain>', CHAIN_HELP)
    .option('--mime <type>', 'Content type of the blobs, such as text/plain. Default: detected from their bytes.')
    .option('--allow-empty', 'Append an empty blob if standard input is empty. Empty files are always appended.')
    .action(async (files: string[], options: Options) => {
      const mime = options.mime === undefined ? undefined : parseMime(options.mime);
      if (files.indexOf('-') !== files.lastIndexOf('-'))
        throw new BlockhubError('USAGE', '- is given more than once, but standard input can be read only once');
      const store = await session.store();
      const { id } = await session.chain(store, options.chain);
      const blobs: NewBlob[] = [];
      for (const file of files.length > 0 ? files : ['-']) {
        const bytes = await read(session, file, options.allowEmpty === true);
        blobs.push({ bytes, meta: { mime: mime ?? (await describe(bytes)) } });
      }
      const size = blobs.reduce((sum, { bytes }) => sum + bytes.length, 0);
      const appending = append(store, id, blobs, { newEvent: () => newEvent(session.clock.now(), randomBytes(10)) });
      const appended = await session
        .progress()
        .during(appending, () => `appending ${counted(blobs.length, 'blob')}, ${counted(size, 'byte')}`);
      const { id: block, height, time } = appended;
      for (const { event, crypt, hash, length, sha256, meta } of appended.receipts) {
        const receipt = { event, chain: id, hash, crypt, length, sha256, mime: meta.mime, block, height, time };
        await session.out.item(receipt, `${event} B:${block} H:${height} A:${hash}`);
      }
      await session.out.end();
    });
}

function parseMime(text: string): string {
  const mime = text.toLowerCase();
  if (isMime(mime)) return mime;
  throw new BlockhubError('USAGE', `--mime must be type/subtype without parameters, such as text/plain; got ${quote(text)}`);
}

async function read(session: Session, file: string, allowEmpty: boolean): Promise<Buffer> {
  if (file !== '-') return session.progress().during(readBlob(file), () => `reading ${file}`);
  const bytes = await readStdin(session);
  // Most likely the command before the pipe failed, and a block cannot be removed.
  if (bytes.length === 0 && !allowEmpty)
    throw new BlockhubError('USAGE', 'standard input is empty; use --allow-empty to append an empty blob');
  return bytes;
}

function readStdin(session: Session): Promise<Buffer> {
  const { stdin } = session.io;
  // Otherwise the first Ctrl-C would have no effect.
  const reading = buffer(addAbortSignal(session.signal, stdin));
  if (!stdin.isTTY) return session.progress().during(reading, () => 'reading standard input');
  session.note('reading from the terminal; end the input with Ctrl-D');
  return reading;
}

async function readBlob(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    const isFolder = (cause as NodeJS.ErrnoException).code === 'EISDIR';
    const what = isFolder ? `${file} is a folder; name the files in it` : `cannot read ${file}: ${(cause as Error).message}`;
    throw new BlockhubError('USAGE', what, { cause });
  }
}
