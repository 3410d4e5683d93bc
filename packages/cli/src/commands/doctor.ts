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
    .description('try out on keys of its own whether a store enforces what chains rely on')
    .action(async () => {
      const store = await session.store(true);
      const probing = session.progress().during(store.probe(), (seconds) => `trying out ${store.url}, ${Math.round(seconds)} s`);
      const { ok, checks, left } = await probing;
      const plain = checks.map(({ name, ok: good, detail, fix }) => ({ name, ok: good, detail, ...(fix !== undefined && { fix }) }));
      if (session.out.format === 'table') {
        await session.out.all(plain, {
          check: ({ name }) => name,
          verdict: ({ ok: good }) => (good ? 'ok' : 'FAILED'),
          seen: ({ detail }) => detail,
        });
        await session.out.write(`${verdictOf(session, store.url, checks)}\n`);
        for (const fix of new Set(checks.map((check) => check.fix).filter((text) => text !== undefined)))
          await session.out.write(`${fix}\n`);
      } else await session.out.one({ store: store.url, ok, checks: plain, left }, '');
      // No verdict, because the store did not answer, is not a bad verdict.
      if (!ok) session.exitCode = checks.some(isVerdict) ? exitCodes.faults : exitCodes.unchecked;
    });
  command
    .command('mesh')
    .description('send an event to a mesh and wait until it is in a block; a token is in BLOCKHUB_TOKEN or BLOCKHUB_TOKEN_FILE')
    .argument('[url]', 'where web-to-msg listens', 'http://127.0.0.1:8080')
    .option('--chain <chain>', 'chain that gets the event, id or name', 'default')
    .option('--wait <time>', 'how long it may take', '1m')
    .action(async (url: string, { chain, wait }: { chain: string; wait: string }) => {
      const place = { url: parseUrl(url), chain, token: await session.token() };
      const checked = await checkMesh(session, place, new Deadline(session, wait));
      const { event, block, height, ms } = checked;
      await session.out.one(checked, `${event} B:${block} H:${height} after ${ms} ms`);
    });
}

/** The fault was seen, so it is not a lack of an answer. */
const isVerdict = ({ ok, error }: ProbeCheck): boolean => !ok && error === undefined;

function verdictOf({ out }: Session, url: string, checks: readonly ProbeCheck[]): string {
  if (checks.every(({ ok }) => ok)) return `${url} can be relied on`;
  if (checks.some(isVerdict)) return `${out.red('unsafe')}: ${url} must not be used`;
  return `${out.red('unknown')}: ${url} could not be tried out`;
}

function parseUrl(text: string): URL {
  const url = URL.parse(text);
  // A mesh knows tokens, no users; and what stands in a command line is read by others.
  if (url && /^https?:$/.test(url.protocol) && !url.username && !url.password) return url;
  throw new BlockhubError('USAGE', `url is http:// or https:// with host and port, such as http://127.0.0.1:8080, not ${hideUrl(text)}`);
}
