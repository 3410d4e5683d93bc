import type { Command } from 'commander';
import { exitCodes } from '../exit.ts';
import type { Session } from '../session.ts';

export function define(command: Command, session: Session): void {
  command
    .command('store')
    .description('try out on keys of its own whether a store enforces what chains rely on')
    .action(async () => {
      const store = await session.store(true);
      const probing = session.progress().during(store.probe(), (seconds) => `trying out ${store.url}, ${Math.round(seconds)} s`);
      const { ok, checks, left } = await probing;
      const plain = checks.map(({ name, ok: good, detail }) => ({ name, ok: good, detail }));
      if (session.out.format === 'table') {
        await session.out.all(plain, {
          check: ({ name }) => name,
          verdict: ({ ok: good }) => (good ? 'ok' : 'FAILED'),
          seen: ({ detail }) => detail,
        });
        await session.out.write(ok ? `${store.url} can be relied on\n` : `${session.out.red('unsafe')}: ${store.url} must not be used\n`);
      } else await session.out.one({ store: store.url, ok, checks: plain, left }, '');
      // No verdict, because the store did not answer, is not a bad verdict.
      if (!ok) session.exitCode = checks.some((check) => !check.ok && check.error === undefined) ? exitCodes.faults : exitCodes.unchecked;
    });
}
