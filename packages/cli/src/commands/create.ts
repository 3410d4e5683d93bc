import { randomBytes } from 'node:crypto';
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
    .argument('[name]', '1 to 63 of a-z 0-9 . _ -; without it the chain has only an id')
    .addOption(new Option('--crypt <function>', 'hash function; md5 is for old readers only (default: sha256)').choices(['sha256', 'md5']))
    .option('--payload <json>', 'JSON of your own for the root block, with integers only')
    .option('--no-requests', 'keep no documents of the HTTP requests on this chain')
    .action(async (name: string | undefined, options: Options) => {
      const store = await session.store(true);
      const { created, id, ...rest } = await createChain(store, {
        ...(name === undefined ? {} : { name }),
        ...(options.crypt ? { crypt: options.crypt } : {}),
        ...(options.payload === undefined ? {} : { payload: parsePayload(options.payload) }),
        ...(options.requests !== false ? {} : { settings: { requests: false } }),
        now: session.clock.now(),
        random: () => randomBytes(4).readUInt32BE() / 2 ** 32,
      });
      if (!created && name !== undefined) session.note(`${name} exists since ${isoTime(rest.time)}`);
      await session.out.one({ chain: id, ...rest, created }, `${id}${rest.name === undefined ? '' : ` ${rest.name}`}`);
    });
}

function parsePayload(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new BlockhubError('USAGE', '--payload is not JSON', { cause });
  }
}
