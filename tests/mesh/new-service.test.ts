import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { helms, KUBERNETES, type Manifest, podOf } from '../charts/helm.ts';
import { freePort, until } from '../standalone/standalone.ts';

/** Follows CONTRIBUTING in a copy of the repository. */

const top = resolve(import.meta.dirname, '../..');
const leftOut = new Set(['node_modules', '.git', 'data']);
/** Written by `pnpm fix` and `pnpm install`. */
const generated =
  /^(charts\/|docs\/reference\/|docs\/distributed\.md|services\/README\.md|services\/standalone\/README\.md|monitoring\/|k8s\/|pnpm-lock\.yaml)/;
const MINUTE = 60_000;

let copy = '';
beforeAll(async () => {
  copy = mkdtempSync(join(tmpdir(), 'blockhub-contributor-'));
  cpSync(top, copy, { recursive: true, verbatimSymlinks: true, filter: (path) => path === top || !leftOut.has(basename(path)) });
  // `pnpm check` reads the files that git knows or would add.
  await run('git', 'init', '--quiet');
  await pnpm('install', '--frozen-lockfile', '--prefer-offline');
}, 5 * MINUTE);
afterAll(() => rmSync(copy, { recursive: true, force: true }));

/**
 * Runs a program in the copy, and gives its standard output. Throws with the whole output if the
 * exit code is not 0.
 */
const run = (program: string, ...words: string[]): Promise<string> =>
  new Promise((done, fail) => {
    execFile(program, words, { cwd: copy, maxBuffer: 2 ** 26 }, (error, stdout, stderr) =>
      error ? fail(new Error(`${program} ${words.join(' ')}\n${stdout}\n${stderr}`)) : done(stdout),
    );
  });

const pnpm = (...words: string[]): Promise<string> => run('npx', '-y', 'pnpm', ...words);

function hashes(): Map<string, string> {
  const paths = globSync('**/*', { cwd: copy, exclude: ({ name }) => leftOut.has(name), withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(copy.length + 1));
  return new Map(
    paths.map((path) => [
      path,
      createHash('sha256')
        .update(readFileSync(join(copy, path)))
        .digest('hex'),
    ]),
  );
}

/** Files that have changed and that a person writes. */
function writtenSince(before: ReadonlyMap<string, string>): string[] {
  const now = hashes();
  const changed = [...now].filter(([path, hash]) => before.get(path) !== hash).map(([path]) => path);
  return changed.filter((path) => !generated.test(path)).toSorted();
}

describe('a new service', () => {
  test(
    'costs eight files in a group that exists',
    async () => {
      const before = hashes();
      await pnpm('new-service', 'relay', '--group', 'chain');
      expect(writtenSince(before)).toEqual([
        'mesh/chain.ts',
        'mesh/package.json',
        'packages/message/src/queues/chain.ts',
        'services/relay/README.md',
        'services/relay/package.json',
        'services/relay/src/main.ts',
        'services/relay/src/worker.test.ts',
        'services/relay/src/worker.ts',
      ]);
    },
    5 * MINUTE,
  );

  test(
    'may be the first one of a new group, and passes all checks and its test at once',
    async () => {
      await pnpm('new-service', 'audit-log', '--group', 'demo');
      // Words of the language are names too.
      await pnpm('new-service', 'export', '--group', 'import');
      await pnpm('check');
      await pnpm('test', 'services/audit-log', 'services/relay', 'mesh/places', 'tests/reference/variables', 'packages/message/src/queues');
    },
    10 * MINUTE,
  );

  test('is refused if the name or the group is wrong, and nothing is written', async () => {
    const before = hashes();
    for (const [words, message] of [
      [['Relay', '--group', 'chain'], 'NAME must be one name such as s3-proxy, got "Relay"'],
      [['--group', 'chain'], 'NAME must be one name'],
      [['relay2'], '--group must be one word such as chain, got ""'],
      [['relay2', '--group', '../x'], '--group must be one word'],
      [['relay2', '--group', 'queues'], '--group must not be the name of a file of mesh, got "queues".'],
      [['relay', '--group', 'chain'], 'services/relay exists already.'],
    ] as const)
      await expect(run(process.execPath, 'mesh/new-service.ts', ...words)).rejects.toThrow(message);
    expect(writtenSince(before)).toEqual([]);
  });
});

/** The metrics of a whole mesh that runs from the copy with these arguments. */
async function metricsWith(...words: string[]): Promise<string> {
  const data = mkdtempSync(join(tmpdir(), 'blockhub-with-'));
  const [port, probePort] = [await freePort(), await freePort()];
  const args = ['--data', data, '--port', String(port), '--probe-port', String(probePort), ...words];
  const child = spawn(process.execPath, [join(copy, 'services/standalone/src/main.ts'), ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(child, 'exit');
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  try {
    const at = `http://127.0.0.1:${probePort}`;
    await until(async () => {
      if (child.exitCode !== null) throw new Error(stderr);
      return (await fetch(`${at}/readyz`).catch(() => undefined))?.status === 200;
    });
    return await (await fetch(`${at}/metrics`)).text();
  } finally {
    child.kill();
    await ended;
    rmSync(data, { recursive: true, force: true });
  }
}

describe('a group that is switched on', () => {
  test('runs in the process of `pnpm start --with`', async () => {
    const isThere = (metrics: string): boolean => metrics.includes('worker="audit-log"');
    expect(isThere(await metricsWith())).toBe(false);
    expect(isThere(await metricsWith('--with', 'demo', '--audit-log-prefetch', '7'))).toBe(true);
    await expect(metricsWith('--with', 'demos')).rejects.toThrow('"demos" is not known: expected one or more of chain, demo');
  });

  const [helm] = helms;
  (helm ? test : test.skip)('has its services in the umbrella chart (left out if there is no helm)', async () => {
    const mesh = async (...values: string[]): Promise<object> => {
      const set = values.flatMap((it) => ['--set', it]);
      const text = await run(helm?.program ?? '', 'template', 'demo', 'charts/blockhub', '--kube-version', KUBERNETES, ...set);
      const objects = parseAllDocuments(text).map((one) => one.toJS() as Manifest);
      const find = (kind: string, name: string): Manifest =>
        objects.find((it) => it?.kind === kind && it.metadata.name.startsWith(`demo-${name}`));
      const definitions = JSON.parse(Buffer.from(find('Secret', 'rabbitmq-config').data['definitions.json'], 'base64').toString());
      const has = (list: { name: string }[]): boolean => list.some(({ name }) => name === 'audit-log');
      return {
        runs: find('Deployment', 'audit-log') !== undefined,
        user: has(definitions.users),
        queue: has(definitions.queues),
        setup: podOf(find('Job', 'setup')).containers[0].args,
      };
    };
    const args = (...further: string[]): string[] => ['setup', '--wait', '5m', ...further, '--chain', 'default'];
    expect(await mesh()).toEqual({ runs: false, user: false, queue: false, setup: args() });
    const on = { user: true, queue: true, setup: args('--with', 'demo') };
    expect(await mesh('demo.enabled=true')).toEqual({ runs: true, ...on });
    expect(await mesh('demo.enabled=true', 'audit-log.enabled=false')).toEqual({ runs: false, ...on });
    expect(await mesh('audit-log.enabled=true')).toEqual({ runs: true, ...on });
  });
});
