import type { Command } from 'commander';
import { bytesOf, findThing } from '../find-thing.ts';
import type { Session } from '../session.ts';

export function define(command: Command, session: Session): void {
  command
    .argument('<id>', 'event id or hash of a blob, or a block id')
    .option('--chain <chain>', 'look only in this chain, id or name')
    .action(async (id: string, { chain }: { chain?: string }) => {
      const store = await session.store();
      await session.out.write(await bytesOf(store, await findThing(session, store, id, chain)));
    });
}
