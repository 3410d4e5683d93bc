import { declarations } from '@blockhub/message';
import { createChain } from '@blockhub/writer';
import type { Command } from 'commander';
import { Deadline } from '../deadline.ts';
import { counted } from '../output.ts';
import type { Session } from '../session.ts';

interface Options {
  chain: string | false;
  partitions?: string;
  wait: string;
  with?: string;
}

/** Existing parts are not changed, so setup may run several times, also at once. */
export function define(command: Command, session: Session): void {
  command
    .option('--chain <name>', 'Name of the first chain.', 'default')
    .option('--no-chain', 'Create no chain.')
    .option('--partitions <n>', 'Number of partitions. Use the same value in every service. Default: BLOCKHUB_PARTITIONS, or 1.')
    .option('--with <groups>', 'Further groups of services to declare queues for, such as a,b. Default: BLOCKHUB_WITH, or none.')
    .option('--wait <time>', 'Maximum time to wait for the store and the broker, such as 30s or 5m.', '5m')
    .action(async ({ chain, partitions, wait, with: further }: Options) => {
      const deadline = new Deadline(session, wait);
      const queues = declarations(await session.partitions(partitions), undefined, await session.groups(further));
      const store = await session.store(true);
      const bucket = await deadline.retry('the store', () => store.prepare());
      const broker = await deadline.retry('the broker', () => session.broker(true));
      await deadline.retry('the queues', () => broker.declare(queues));
      const create = (name: string) => createChain(store, { name, now: session.clock.now(), random: session.random });
      const made = chain === false ? undefined : await deadline.retry(`chain ${chain}`, () => create(chain));
      await session.out.one(
        { store: store.url, bucket, queues: queues.length, ...(made && { chain: made.id, name: made.name, created: made.created }) },
        `${store.url} ${bucket}, ${counted(queues.length, 'queue')}${made ? `, chain ${made.id} ${made.name}` : ''}`,
      );
    });
}
