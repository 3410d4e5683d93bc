import { findTail } from '@blockhub/walker';
import type { Command } from 'commander';
import { isoTime } from '../output.ts';
import type { Session } from '../session.ts';

export function define(command: Command, session: Session): void {
  command
    .argument('[chain]', 'id or name (default: the chain named default, or the only one)')
    .action(async (nameOrId: string | undefined) => {
      const store = await session.store();
      const { id } = await session.chain(store, nameOrId);
      const tail = await findTail(store, id);
      const { height, time } = tail;
      await session.out.one({ chain: id, id: tail.id, height, time }, `B:${tail.id} H:${height} ${isoTime(time)}`);
    });
}
