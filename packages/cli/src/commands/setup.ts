import { randomBytes } from 'node:crypto';
import { declarations } from '@blockhub/message';
import { createChain } from '@blockhub/writer';
import type { Command } from 'commander';
import { Deadline } from '../deadline.ts';
import type { Session } from '../session.ts';

interface Options {
  chain: string | false;
  partitions?: string;
  wait: string;
}

/** What a mesh needs before its first event. Each step may be repeated, by many at once, and changes nothing that is there. */
export function define(command: Command, session: Session): void {
  command
    .option('--chain <name>', 'the first chain', 'default')
    .option('--no-chain', 'make no chain')
    .option('--partitions <n>', 'queues that chains are spread over, as all services are told (default: 1; also BLOCKHUB_PARTITIONS)')
    .option('--wait <time>', 'how long store and broker may take to answer', '5m')
    .action(async ({ chain, partitions, wait }: Options) => {
      const deadline = new Deadline(session, wait);
      const queues = declarations(await session.partitions(partitions));
      const store = await session.store(true);
      const bucket = await deadline.until('the store', () => store.prepare());
      const broker = await deadline.until('the broker', () => session.broker(true));
      await deadline.until('the queues', () => broker.declare(queues));
      const random = (): number => randomBytes(4).readUInt32BE() / 2 ** 32;
      const made =
        chain === false
          ? undefined
          : await deadline.until(`chain ${chain}`, () => createChain(store, { name: chain, now: session.clock.now(), random }));
      await session.out.one(
        { store: store.url, bucket, queues: queues.length, ...(made && { chain: made.id, name: made.name, created: made.created }) },
        `${store.url} ${bucket}, ${queues.length} queues${made ? `, chain ${made.id} ${made.name}` : ''}`,
      );
    });
}
