import { BlockhubError } from '@blockhub/errors';
import { hideUrl } from '@blockhub/settings';
import type { ProbeCheck } from '@blockhub/store';
import type { Command } from 'commander';
import { checkMesh } from '../check-mesh.ts';
import { Deadline } from '../deadline.ts';
import { exitCodes } from '../exit.ts';
import type { Session } from '../session.ts';

export function define(command: Command, session: Session): void {
  command
    .command('store')
    .description('Test whether a store does what chains rely on. It writes test objects below probe/.')
    .action(async () => {
      const store = await session.store(true);
      const probing = session.progress().during(store.probe(), (seconds) => `testing ${store.url}, ${Math.round(seconds)} s`);
      const { ok, checks, left } = await probing;
      const plain = checks.map(({ name, ok: good, detail, fix }) => ({ name, ok: good, detail, ...(fix !== undefined && { fix }) }));
      if (session.out.format === 'table') {
        await session.out.all(plain, {
          check: ({ name }) => name,
          verdict: ({ ok: good }) => (good ? 'ok' : 'FAILED'),
          detail: ({ detail }) => detail,
        });
        await session.out.write(`${verdictOf(session, store.url, checks)}\n`);
        for (const fix of new Set(checks.map((check) => check.fix).filter((text) => text !== undefined)))
          await session.out.write(`${fix}\n`);
      } else await session.out.one({ store: store.url, ok, checks: plain, left }, '');
      // If the store did not answer, there is no verdict.
      if (!ok) session.exitCode = checks.some(isVerdict) ? exitCodes.faults : exitCodes.unchecked;
    });
  command
    .command('mesh')
    .description('Send an event to a mesh and wait until a block holds it. Set BLOCKHUB_TOKEN or BLOCKHUB_TOKEN_FILE to send a token.')
    .argument('[url]', 'URL of web-to-msg.', 'http://127.0.0.1:8080')
    .option('--chain <chain>', 'Chain for the event, by id or name.', 'default')
    .option('--wait <time>', 'Maximum time until a block holds the event, such as 30s or 5m.', '1m')
    .action(async (url: string, { chain, wait }: { chain: string; wait: string }) => {
      const target = { url: parseUrl(url), chain, token: await session.token() };
      const checked = await checkMesh(session, target, new Deadline(session, wait));
      const { event, block, height, ms } = checked;
      await session.out.one(checked, `${event} B:${block} H:${height} after ${ms} ms`);
    });
}

/** The check failed with a verdict, not with an error of the store. */
const isVerdict = ({ ok, error }: ProbeCheck): boolean => !ok && error === undefined;

function verdictOf({ out }: Session, url: string, checks: readonly ProbeCheck[]): string {
  if (checks.every(({ ok }) => ok)) return `${url} is safe to use`;
  if (checks.some(isVerdict)) return `${out.red('unsafe')}: ${url} must not be used`;
  return `${out.red('unknown')}: ${url} could not be tested`;
}

function parseUrl(text: string): URL {
  const url = URL.parse(text);
  // A mesh has no users, and other users of the machine can read a command line.
  if (url && /^https?:$/.test(url.protocol) && !url.username && !url.password) return url;
  const expected = 'http:// or https:// with host and port, such as http://127.0.0.1:8080';
  throw new BlockhubError('USAGE', `the URL must be ${expected}; got ${hideUrl(text)}`);
}
