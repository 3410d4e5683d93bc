import { BlockhubError, errorCode } from '@blockhub/errors';
import { findNewest } from '@blockhub/walker';
import type { Command } from 'commander';
import { exitCodes } from '../exit.ts';
import { CHAIN_HELP } from '../options.ts';
import { isoTime } from '../output.ts';
import type { Session } from '../session.ts';

export function define(command: Command, session: Session): void {
  command.argument('[chain]', CHAIN_HELP).action(async (nameOrId: string | undefined) => {
    const store = await session.store();
    const { id } = await session.chain(store, nameOrId);
    const codes = new Set<string>();
    const { tail, last } = await findNewest(store, id, (key, error) => {
      session.skipped.add(key, error);
      codes.add(errorCode(error));
    });
    if (!tail)
      throw new BlockhubError('CHAIN_DAMAGED', `none of the newest blocks of chain ${id} can be read; its newest height is ${last}`);
    const { height, time } = tail;
    if (height < last) {
      session.note(`the newest block, at height ${last}, cannot be read; this is the newest block that can be read`);
      session.exitCode = [...codes].every((code) => code === 'CHAIN_DAMAGED') ? exitCodes.faults : exitCodes.unchecked;
    }
    await session.out.one({ chain: id, id: tail.id, height, time }, `B:${tail.id} H:${height} ${isoTime(time)}`);
  });
}
