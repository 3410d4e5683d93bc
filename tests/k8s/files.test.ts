import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parse, parseAllDocuments } from 'yaml';
import { helms, nameOf, noHelm, podOf, template } from '../charts/helm.ts';

const top = resolve(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(top, path), 'utf8');
const matches = (text: string, pattern: RegExp): string[] => [...text.matchAll(pattern)].map(([, match = '']) => match);

/** No test can run Tilt, so this one checks what the file refers to. */
describe('Tiltfile', () => {
  const tiltfile = read('Tiltfile');
  const [which] = helms;

  const python = spawnSync('python3', ['-c', 'import ast, sys; ast.parse(sys.stdin.read())'], { input: tiltfile, encoding: 'utf8' });
  const reads = 'has the syntax of Python, of which Starlark is a part';
  if (python.error) test.skip(`${reads} (there is no python3)`, () => undefined);
  else test(reads, () => expect(python.stderr).toBe(''));

  test('refers to files that exist', () => {
    const [, only = ''] = /only=\[([^\]]*)\]/.exec(tiltfile) ?? [];
    const named = matches(
      `${only} ${matches(tiltfile, /(dockerfile=.*|fall_back_on.*|sync\('[^']*'|watch_file.*|helm\('[^']*')/g)}`,
      /'([^']+)'/g,
    );
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((path) => !existsSync(join(top, path)))).toEqual([]);
  });

  if (!which) test.skip(`refers to objects that the charts have (${noHelm})`, () => undefined);
  else
    test('refers to objects that the charts have', async () => {
      const { objects, stdout } = await template(which, 'blockhub', {}, 'blockhub');
      const pods = objects.filter(podOf);
      for (const name of matches(tiltfile, /k8s_resource\('([^']+)'/g)) expect(pods.map(({ metadata }) => metadata.name)).toContain(name);
      expect(objects.filter(({ kind }) => kind === 'Pod').map(nameOf)).toEqual(['Pod blockhub-test']);
      expect(stdout).toContain(matches(tiltfile, /replace\('([^']+)'/g)[0]);
      expect(stdout).toMatch(/image: "?blockhub:/);
    });

  test('starts Node with the flags of the image', () => {
    const entry = (path: string): string[] => JSON.parse(/^ENTRYPOINT (.*)$/m.exec(read(path))?.[1] ?? '[]') as string[];
    const [node = '', ...flags] = entry('docker/Dockerfile').slice(0, -1);
    expect(flags.length).toBeGreaterThan(2);
    // It runs the sources, which change while it runs.
    expect(entry('docker/dev.Dockerfile')).toEqual([node, '--watch', ...flags, '/app/packages/cli/src/main.ts']);
    const pnpm = (path: string): string | undefined => /^ARG PNPM=.*$/m.exec(read(path))?.[0];
    expect(pnpm('docker/dev.Dockerfile')).toBe(pnpm('docker/Dockerfile'));
  });
});

describe('RabbitMQ of three nodes by the cluster operator', () => {
  // biome-ignore lint/suspicious/noExplicitAny: Kubernetes' own objects
  const objects = (path: string): any[] => parseAllDocuments(read(path), { uniqueKeys: true }).map((one) => one.toJS());
  const plain = Map.groupBy(objects('k8s/rabbitmq/cluster.yaml'), ({ kind }) => kind);
  const [cluster, budget] = objects('k8s/rabbitmq/operator.yaml');
  const [config] = plain.get('ConfigMap') ?? [];
  const [{ spec }] = plain.get('StatefulSet') ?? [];
  const settings = (text: string): string[] => text.split('\n').filter((line) => /^\w/.test(line));

  test('has the settings of the example that is tested', () => {
    const more = settings(cluster.spec.rabbitmq.additionalConfig);
    expect(more).toEqual(settings(config.data['rabbitmq.conf']).filter((line) => /^(definitions|quorum_queue)\./.test(line)));
    expect(more.length).toBeGreaterThan(4);
    const [container] = spec.template.spec.containers;
    expect(cluster.spec).toMatchObject({ replicas: spec.replicas, image: container.image, resources: container.resources });
    expect(plain.get('Service')?.map(({ metadata }) => metadata.name)).toContain(cluster.metadata.name);
    expect(budget.spec.maxUnavailable).toBe(plain.get('PodDisruptionBudget')?.[0].spec.maxUnavailable);
  });

  test('mounts the definitions at the configured path', () => {
    const { containers, volumes } = cluster.spec.override.statefulSet.spec.template.spec;
    const [{ name, mountPath }] = containers[0].volumeMounts;
    const { secret } = volumes.find((volume: { name: string }) => volume.name === name);
    expect(secret.secretName).toBe(/secret generic (\S+) --from-file=secrets\/definitions\.json/.exec(read('k8s/README.md'))?.[1]);
    expect(cluster.spec.rabbitmq.additionalConfig).toContain(`definitions.local.path = ${mountPath}/${secret.items[0].path}\n`);
  });
});

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}

interface Job {
  readonly permissions: Readonly<Record<string, string>>;
  readonly 'timeout-minutes': number;
  readonly steps: readonly Step[];
}

describe('the workflow of CI', () => {
  const workflow = parse(read('.github/workflows/ci.yaml')) as { permissions: object; jobs: Record<string, Job> };
  const jobs = Object.entries(workflow.jobs);

  test('may only read, has a time limit, and pins its actions', () => {
    expect(workflow.permissions).toEqual({});
    for (const [name, job] of jobs) {
      expect([name, job.permissions]).toEqual([name, { contents: 'read' }]);
      expect(job['timeout-minutes']).toBeLessThanOrEqual(60);
      for (const { uses, with: given } of job.steps) {
        if (uses === undefined) continue;
        expect(uses).toMatch(/^[\w-]+\/[\w-]+@(v\d+|[0-9a-f]{40})$/);
        if (uses.startsWith('actions/checkout@')) expect(given).toMatchObject({ 'persist-credentials': false });
      }
    }
  });

  test('runs commands that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const runs = jobs.flatMap(([, job]) => job.steps.flatMap(({ run = [] }) => run)).join('\n');
    const called = matches(runs, /npx -y pnpm ([\w:]+)/g).filter((name) => name !== 'install');
    expect(called).toEqual(expect.arrayContaining(['check', 'test', 'images']));
    expect(called.filter((name) => !(name in scripts))).toEqual([]);
    for (const path of matches(runs, /((?:k8s|charts)\/\S+)/g)) expect([path, existsSync(join(top, path))]).toEqual([path, true]);
    // Text of a pull request never becomes a command.
    expect(runs).not.toContain('${{');
  });
});
