import { declarations } from '@blockhub/message';
import type { Command } from 'commander';
import type { Session } from '../session.ts';

/** Not every broker gives every number. */
const unknown = '?';

export function define(command: Command, session: Session): void {
  command.action(async () => {
    const broker = await session.broker();
    const listed = await broker.queues();
    // Without its management plugin, RabbitMQ cannot list queues, but gives those that are named.
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
