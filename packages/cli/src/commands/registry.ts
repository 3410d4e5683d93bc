import { listChains } from '@blockhub/walker';
import type { Command } from 'commander';
import { exitCodes } from '../exit.ts';
import type { Session } from '../session.ts';

export function define(command: Command, session: Session): void {
  command
    .command('rebuild')
    .description('forget what the registry knows and read all chains from the store; the mesh may run meanwhile')
    .action(async () => {
      const store = await session.store();
      const registry = await session.registry();
      const progress = session.progress();
      await registry.wipe();
      let chains = 0;
      let damaged = 0;
      for await (const chain of listChains(store, { onUnseen: session.skipped.add })) {
        session.signal.throwIfAborted();
        if (chain.error !== undefined) session.skipped.add(`chains/${chain.id}/`, chain.error);
        if (chain.damaged) damaged += chain.error === undefined ? 1 : 0;
        else {
          const { error: _, ...record } = chain;
          await registry.putChain(record);
          chains++;
        }
        progress.update(() => `${chains} chains`);
      }
      progress.clear();
      const left = damaged === 0 ? '' : `; ${damaged} with a damaged root were left out, see blockhub verify --all`;
      await session.out.one({ chains, damaged }, `${chains} chains are known again${left}`);
      if (damaged > 0) session.exitCode = exitCodes.faults;
      else if (session.skipped.count > 0) session.exitCode = exitCodes.unchecked;
    });
}
