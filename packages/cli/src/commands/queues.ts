import type { Command } from 'commander';
import type { Session } from '../session.ts';

/** RabbitMQ does not tell all. */
const unknown = '?';

export function define(command: Command, session: Session): void {
  command.action(async () => {
    const broker = await session.broker();
    await session.out.all(await broker.queues(), {
      queue: ({ name }) => name,
      ready: ({ ready }) => ready,
      unacked: ({ unacked }) => unacked ?? unknown,
      delayed: ({ delayed }) => delayed ?? unknown,
      bytes: ({ bytes }) => bytes ?? unknown,
      consumers: ({ consumers }) => consumers,
      kind: ({ kind }) => kind,
    });
  });
}
