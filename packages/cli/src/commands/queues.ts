import type { Command } from 'commander';
import type { Session } from '../session.ts';

export function define(command: Command, session: Session): void {
  command.action(async () => {
    const broker = await session.broker();
    await session.out.all(await broker.queues(), {
      queue: ({ name }) => name,
      ready: ({ ready }) => ready,
      unacked: ({ unacked }) => unacked,
      delayed: ({ delayed }) => delayed,
      bytes: ({ bytes }) => bytes,
      consumers: ({ consumers }) => consumers,
      kind: ({ kind }) => kind,
    });
  });
}
