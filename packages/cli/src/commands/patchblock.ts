import { type Repair, repairChain } from '@blockhub/writer';
import type { Command } from 'commander';
import { exitCodes } from '../exit.ts';
import { CHAIN_HELP } from '../options.ts';
import { counted } from '../output.ts';
import type { Session } from '../session.ts';

export function define(command: Command, session: Session): void {
  command
    .argument('[chain]', CHAIN_HELP)
    .option('--dry-run', 'Change nothing; only show the repairs.')
    .action(async (nameOrId: string | undefined, { dryRun }: { dryRun?: boolean }) => {
      const store = await session.store();
      const { id: chain } = await session.chain(store, nameOrId);
      session.resume = () => session.commandLine('patchblock', nameOrId ?? chain, ...(dryRun ? ['--dry-run'] : []));
      let height = 0;
      let count = 0;
      const repairing = repairChain(store, chain, {
        now: () => session.clock.now(),
        clock: session.clock,
        signal: session.signal,
        dryRun: dryRun === true,
        onProgress: (at) => {
          height = at;
        },
        onRepair: (repair) => {
          count++;
          if (session.out.format === 'table') session.writeData(describe(repair, dryRun === true));
        },
      });
      const text = (): string => `height ${height}, ${counted(count, 'repair')}`;
      const { repairs, left, unchecked } = await session.progress().during(repairing, text);
      for (const repair of session.out.format === 'table' ? [] : repairs)
        await session.out.item({ type: dryRun ? 'would' : 'repair', ...repair }, '');
      for (const fault of left) await session.out.item({ type: 'left', ...fault }, `${session.out.red(fault.code)} ${fault.message}`);
      for (const reason of unchecked) await session.out.item({ type: 'unchecked', chain, reason }, `unchecked ${reason}`);
      if (session.out.format === 'table')
        await session.out.write(
          `${counted(repairs.length, 'repair')}${dryRun ? ' to make' : ''}, ${counted(left.length, 'fault')} ${dryRun ? 'found' : 'left'}\n`,
        );
      await session.out.end();
      if (left.length > 0) session.exitCode = exitCodes.faults;
      else if (unchecked.length > 0) session.exitCode = exitCodes.unchecked;
    });
}

const describe = ({ action, height, key, from }: Repair, dryRun: boolean): string =>
  `${dryRun ? 'would ' : ''}${action} height ${height}: ${key} from ${from}`;
