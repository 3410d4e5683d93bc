import type { Command } from 'commander';
import { listServices } from '../services.ts';
import type { Session } from '../session.ts';

/** Used only if no service is named. Otherwise `main.ts` starts the service. */
export function define(command: Command, session: Session): void {
  command
    .usage('[service] [settings of the service]')
    .addHelpText('after', '\nIf no service is named, all are listed. To see the settings of one: blockhub run <service> --help')
    .action(async () => {
      await session.out.all(listServices(), { service: ({ service }) => service, does: ({ summary }) => summary });
    });
}
