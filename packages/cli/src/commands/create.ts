import { BlockhubError } from '@blockhub/errors';
import { createChain } from '@blockhub/writer';
import { type Command, Option } from 'commander';
import { isoTime } from '../output.ts';
import type { Session } from '../session.ts';

interface Options {
  crypt?: 'sha256' | 'md5';
  payload?: string;
  requests?: boolean;
}

export function define(command: Command, session: Session): void {
  command
    .argument('[name]', 'Name: 1 to 63 characters of a-z 0-9 . _ -. If it is not given, the chain has only an id.')
    .addOption(new Option('--crypt <function>', 'Hash function. md5 is only for old readers. Default: sha256.').choices(['sha256', 'md5']))
    .option('--payload <json>', 'JSON for the root block. Its numbers must be integers.')
    .option('--no-requests', 'Do not store request documents in this chain.')
    .action(async (name: string | undefined, options: Options) => {
      const store = await session.store(true);
      const { created, id, ...rest } = await createChain(store, {
        name,
        crypt: options.crypt,
        payload: options.payload === undefined ? undefined : parsePayload(options.payload),
        settings: options.requests === false ? { requests: false } : undefined,
        now: session.clock.now(),
        random: session.random,
      });
      if (!created && name !== undefined) session.note(`chain ${name} already exists; it was created at ${isoTime(rest.time)}`);
      await session.out.one({ chain: id, ...rest, created }, `${id}${rest.name === undefined ? '' : ` ${rest.name}`}`);
    });
}

function parsePayload(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new BlockhubError('USAGE', '--payload is not valid JSON', { cause });
  }
}
