import { declarations } from '@blockhub/message';
import type { Command } from 'commander';
import type { Session } from '../session.ts';

/** Neither RabbitMQ nor a file tells all. */
const unknown = '?';

export function define(command: Command, session: Session): void {
  command.action(async () => {
    const broker = await session.broker();
    const listed = await broker.queues();
    // RabbitMQ alone cannot list, but knows those that it is asked for.
    const found = listed.length > 0 ? listed : await broker.queues(declarations(await session.partitions()).map(({ name }) => name));
    await session.out.all(found, {
      queue: ({ name }) => name,
      ready: ({ ready }) => ready,
      unacked: ({ unacked }) => unacked ?? unknown,
      delayed: ({ delayed }) => delayed ?? unknown,
      bytes: ({ bytes }) => bytes ?? unknown,
      consumers: ({ consumers }) => consumers ?? unknown,
      kind: ({ kind }) => kind,
    });
  });
}
