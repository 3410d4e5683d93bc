import { listChains } from '@blockhub/walker';
import type { Command } from 'commander';
import { exitCodes } from '../exit.ts';
import { counted } from '../output.ts';
import type { Session } from '../session.ts';

export function define(command: Command, session: Session): void {
  command
    .command('rebuild')
    .description('Clear the registry and read all chains from the store again. The mesh may run meanwhile.')
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
        progress.update(() => counted(chains, 'chain'));
      }
      progress.clear();
      const left = damaged === 0 ? '' : `; ${counted(damaged, 'chain')} with a damaged root left out, see blockhub verify --all`;
      await session.out.one({ chains, damaged }, `${counted(chains, 'chain')} read into the registry${left}`);
      if (damaged > 0) session.exitCode = exitCodes.faults;
      else if (session.skipped.count > 0) session.exitCode = exitCodes.unchecked;
    });
}
