import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { addAbortSignal } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { newEvent } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import { describe, isMime } from '@blockhub/media';
import { append, type NewBlob } from '@blockhub/writer';
import type { Command } from 'commander';
import type { Session } from '../session.ts';

interface Options {
  chain?: string;
  mime?: string;
  allowEmpty?: boolean;
}

export function define(command: Command, session: Session): void {
  command
    .argument('[files...]', 'each one blob, all in one block; - or nothing: stdin')
    .option('--chain <chain>', 'id or name (default: the chain named default, or the only one)')
    .option('--mime <type>', 'content type of the blobs, such as text/plain (default: by their bytes)')
    .option('--allow-empty', 'make an empty blob of a stdin that gives nothing; an empty file is one anyway')
    .action(async (files: string[], options: Options) => {
      const mime = options.mime === undefined ? undefined : parseMime(options.mime);
      if (files.indexOf('-') !== files.lastIndexOf('-')) throw new BlockhubError('USAGE', '- is stdin, which can be read only once');
      const store = await session.store();
      const { id } = await session.chain(store, options.chain);
      const blobs: NewBlob[] = [];
      for (const file of files.length > 0 ? files : ['-']) {
        const bytes = await read(session, file, options.allowEmpty === true);
        blobs.push({ bytes, meta: { mime: mime ?? (await describe(bytes)) } });
      }
      const size = blobs.reduce((sum, { bytes }) => sum + bytes.length, 0);
      const appending = append(store, id, blobs, { newEvent: () => newEvent(session.clock.now(), randomBytes(10)) });
      const appended = await session.progress().during(appending, () => `appending ${blobs.length} blobs, ${size} bytes`);
      const { id: block, height, time } = appended;
      for (const { event, crypt, hash, length, sha256, meta } of appended.receipts) {
        const receipt = {
          event,
          chain: id,
          hash,
          crypt,
          length,
          ...(sha256 === undefined ? {} : { sha256 }),
          mime: meta.mime,
          block,
          height,
          time,
        };
        await session.out.item(receipt, `${event} B:${block} H:${height} A:${hash}`);
      }
      await session.out.end();
    });
}

function parseMime(text: string): string {
  const mime = text.toLowerCase();
  if (isMime(mime)) return mime;
  throw new BlockhubError('USAGE', `--mime is type/subtype without parameters, such as text/plain, not ${JSON.stringify(text)}`);
}

async function read(session: Session, file: string, allowEmpty: boolean): Promise<Buffer> {
  if (file !== '-') return session.progress().during(readBlob(file), () => `reading ${file}`);
  const bytes = await readStdin(session);
  // Most likely the command before the pipe failed, or nobody meant to give anything: a block is for ever.
  if (bytes.length === 0 && !allowEmpty)
    throw new BlockhubError('USAGE', 'stdin gave nothing to append; --allow-empty appends an empty blob');
  return bytes;
}

function readStdin(session: Session): Promise<Buffer> {
  const { stdin } = session.io;
  // Without this the first Ctrl-C would go unheard.
  const reading = buffer(addAbortSignal(session.signal, stdin));
  if (!stdin.isTTY) return session.progress().during(reading, () => 'reading stdin');
  session.note('reading from the terminal; Ctrl-D ends it');
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
