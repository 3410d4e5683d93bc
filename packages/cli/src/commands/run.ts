import type { Command } from 'commander';
import { listServices } from '../services.ts';
import type { Session } from '../session.ts';

/** Only without a service; `main.ts` starts one before any option is read. */
export function define(command: Command, session: Session): void {
  command
    .usage('[service] [settings of the service]')
    .addHelpText('after', '\nWithout a service it lists them. The settings of one: blockhub run <service> --help')
    .action(async () => {
      await session.out.all(listServices(), { service: ({ service }) => service, does: ({ summary }) => summary });
    });
}
