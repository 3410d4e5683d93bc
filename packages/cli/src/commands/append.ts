import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { newEvent } from '@blockhub/chain';
import { BlockhubError } from '@blockhub/errors';
import { append, type NewBlob } from '@blockhub/writer';
import type { Command } from 'commander';
import type { Session } from '../session.ts';
import { sniff } from '../sniff.ts';

interface Options {
  chain?: string;
  mime?: string;
}

export function define(command: Command, session: Session): void {
  command
    .argument('[files...]', 'each one blob, all in one block; - or nothing: stdin')
    .option('--chain <chain>', 'id or name (default: the chain named default, or the only one)')
    .option('--mime <type>', 'content type of the blobs (default: by their bytes)')
    .action(async (files: string[], options: Options) => {
      const store = await session.store();
      const { id } = await session.chain(store, options.chain);
      const blobs: NewBlob[] = [];
      for (const file of files.length > 0 ? files : ['-']) {
        const bytes = file === '-' ? await buffer(session.io.stdin) : await readBlob(file);
        blobs.push({ bytes, meta: { mime: options.mime ?? sniff(bytes) } });
      }
      const appended = await append(store, id, blobs, { newEvent: () => newEvent(session.clock.now(), randomBytes(10)) });
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

async function readBlob(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new BlockhubError('USAGE', `cannot read ${file}: ${(cause as Error).message}`, { cause });
  }
}
