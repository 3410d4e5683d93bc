import { randomBytes } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { entries, sourceFiles } from '../architecture/files.ts';
import { reachable } from '../architecture/rules.ts';
import { until } from '../standalone/standalone.ts';
import { ask, buildImage, docker, type Ran, whyNot } from './docker.ts';

const LARGEST_BYTES = 15e6;
const BUILD_MS = 900_000;
const top = join(import.meta.dirname, '../..');
const named = process.env.BLOCKHUB_TEST_NODE_IMAGE;
const base = named || 'docker.io/library/node:24-slim';
const absent = await whyNot(base, named !== undefined);

/** As in a cluster with restricted Pod Security. */
const hardened = ['--read-only', '--tmpfs=/tmp', '--cap-drop=ALL', '--security-opt=no-new-privileges'];
const services = globSync('services/*/package.json', { cwd: top }).map((path) => basename(dirname(path)));
const id = randomBytes(6).toString('hex');
const image = `blockhub-test:${id}`;
const volume = `blockhub-test-${id}`;

if (absent !== undefined) test.skip(`the image (left out: ${absent})`, () => undefined);
else describe('the image', suite);

function suite(): void {
  const started: string[] = [];
  const made = [image];
  let built: Ran;

  const start = async (...args: string[]): Promise<string> => {
    const container = await ask('run', '--detach', ...hardened, ...args);
    started.push(container);
    return container;
  };
  const inspect = async <T>(format: string, name = image): Promise<T> =>
    JSON.parse(await ask('inspect', '--format', `{{json ${format}}}`, name)) as T;

  beforeAll(async () => {
    built = await buildImage(base, image);
  }, BUILD_MS);
  afterAll(async () => {
    if (started.length > 0) await docker('rm', '--force', '--volumes', ...started);
    await docker('volume', 'rm', volume);
    for (const name of made.toReversed()) await docker('rmi', name);
  });

  test('is small, and its build prints its name and size', async () => {
    const [bytes, ofBase] = [await inspect<number>('.Size'), await inspect<number>('.Size', base)];
    expect(built.stdout).toBe(`${image} ${(bytes / 1e6).toFixed(0)} MB\n`);
    expect(bytes - ofBase).toBeLessThanOrEqual(LARGEST_BYTES);
  });

  test('has labels, a user without rights, and no health check', async () => {
    const { version } = JSON.parse(readFileSync(join(top, 'package.json'), 'utf8')) as { version: string };
    const config = await inspect<Record<string, unknown>>('.Config');
    expect(config).toMatchObject({ User: '10001:10001', Cmd: ['--help'], ExposedPorts: { '8080/tcp': {}, '8081/tcp': {} } });
    expect(config.Healthcheck).toBeUndefined();
    expect(config.Labels).toMatchObject({
      'org.opencontainers.image.title': 'Blockhub',
      'org.opencontainers.image.licenses': 'Apache-2.0',
      'org.opencontainers.image.version': version,
      'org.opencontainers.image.revision': expect.stringMatching(/^([0-9a-f]{40}(-dirty)?|unknown)$/),
      'org.opencontainers.image.created': expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    });
  });

  test('contains the code that production imports, and no other code of this repository', async () => {
    const production = reachable(sourceFiles(), entries());
    const ours = (await sourcesOf(image)).filter((path) => /^(packages|services).*\.ts$/.test(path));
    expect(ours.length).toBeGreaterThan(100);
    expect(ours.filter((path) => !production.has(path))).toEqual([]);
  });

  test('contains no package of development, and lists its packages with their licences', async () => {
    const [sbom = '', licences = ''] = await readAll(image, '/app/sbom.cdx.json', '/app/LICENSES.md');
    const { bomFormat, components } = JSON.parse(sbom) as { bomFormat: string; components: Record<string, unknown>[] };
    expect(bomFormat).toBe('CycloneDX');
    for (const component of components) expect(component).toMatchObject({ purl: expect.any(String), licenses: expect.any(Array) });
    const vendors = components.filter(({ group }) => group !== '@blockhub');
    const listed = vendors.map(({ group, name, version }) => ({ name: group ? `${group}/${name}` : String(name), version }));
    for (const { name, version } of listed) expect(licences).toContain(`\n- ${name}@${version}: `);
    const names = new Set(listed.map(({ name }) => name));
    const bundled = new Set((await sourcesOf(image)).flatMap((path) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? []));
    expect([...bundled].filter((name) => !names.has(name))).toEqual([]);

    const manifests = globSync(['package.json', '{packages,services}/*/package.json', 'tests/package.json'], { cwd: top })
      .filter((path) => !path.includes('test-servers'))
      .map((path) => JSON.parse(readFileSync(join(top, path), 'utf8')) as Record<'dependencies' | 'devDependencies', object | undefined>);
    const needed = new Set(manifests.flatMap(({ dependencies = {} }) => Object.keys(dependencies)));
    const forDevelopment = manifests
      .flatMap(({ devDependencies = {} }) => Object.keys(devDependencies))
      .filter((name) => !needed.has(name));
    expect(forDevelopment).toContain('typescript');
    expect([...forDevelopment, 'testcontainers'].filter((name) => names.has(name))).toEqual([]);
  });

  test('lets its user change only /data', async () => {
    const look = `const can = (it) => { try { fs.accessSync(it, fs.constants.W_OK); return true; } catch { return false; } };
      console.log(JSON.stringify(['/app', '/data'].flatMap((it) => [it, ...fs.globSync(it + '/**')]).filter(can)))`;
    expect(JSON.parse(await ask('run', '--rm', '--entrypoint=node', image, '--eval', look))).toEqual(['/data', '/data']);
  });

  test('prints its help, and the help of every service', async () => {
    expect(await docker('run', '--rm', ...hardened, image)).toMatchObject({ code: 0, stdout: expect.stringContaining('Usage: blockhub') });
    for (const service of services) {
      const ran = await docker('run', '--rm', ...hardened, image, 'run', service, '--help');
      expect(ran).toMatchObject({ code: 0, stdout: expect.stringMatching(new RegExp(`^${service}: .*`, 'm')) });
    }
  }, 300_000);

  test('shows the place of an error in the sources if --enable-source-maps is set', async () => {
    const wrong = [
      '--env=BLOCKHUB_BROKER=amqp://127.0.0.1:1',
      '--env=BLOCKHUB_REGISTRY=redis://127.0.0.1:1',
      '--env=BLOCKHUB_STORE=nonsense://',
    ];
    const maps = '--env=NODE_OPTIONS=--enable-source-maps';
    const { stdout } = await docker('run', '--rm', ...hardened, maps, ...wrong, image, 'run', 'builder');
    expect(stdout).toMatch(/packages\/store\/src\/\w+\.ts:\d+:\d+/);
  });

  test('needs no shell: a POST gets into a sound chain, and a stop ends in order', async () => {
    const noShell = ['sh', 'bash'].map((name) => `--volume=/dev/null:/bin/${name}:ro`);
    const container = await start(...noShell, '--publish=127.0.0.1::8080', `--volume=${volume}:/data`, image, 'run', 'standalone');
    const inside = (...command: string[]): Promise<Ran> => docker('exec', container, ...command);
    await until(async () => (await ask('logs', container)).includes('/append/chain/'));
    expect((await inside('sh', '-c', 'true')).code).not.toBe(0);
    const url = `http://${await ask('port', container, '8080/tcp')}/append/chain/default`;
    const answer = await fetch(url, { method: 'POST', body: 'hello' });
    expect(answer.status).toBe(201);
    const { event } = (await answer.json()) as { event: string };
    await until(async () => (await inside('blockhub', 'info', event)).code === 0);
    expect(await inside('blockhub', 'cat', event)).toMatchObject({ code: 0, stdout: 'hello' });
    expect(await inside('blockhub', 'verify', 'default')).toMatchObject({ code: 0 });
    await ask('stop', '--time=60', container);
    expect(await inspect('.State.ExitCode', container)).toBe(0);
  }, 120_000);

  test('logs one JSON object a line, answers probes without its servers, and stops while it waits for them', async () => {
    const container = await start('--publish=127.0.0.1::8081', '--env=BLOCKHUB_BROKER=amqp://127.0.0.1:1', image, 'run', 'shoveltomany');
    const probes = `http://${await ask('port', container, '8081/tcp')}`;
    await until(async () => (await docker('logs', container)).stdout.includes('probes listen'));
    expect((await fetch(`${probes}/livez`)).status).toBe(200);
    expect(await (await fetch(`${probes}/metrics`)).text()).toContain('process_cpu_seconds_total{service="shoveltomany"}');
    await ask('stop', '--time=60', container);
    expect(await inspect('.State.ExitCode', container)).toBe(0);
    const { stdout } = await docker('logs', container);
    for (const line of stdout.trim().split('\n')) expect(JSON.parse(line)).toMatchObject({ name: 'shoveltomany', msg: expect.any(String) });
  });

  test(
    'has the same layers when it is built again',
    async () => {
      const again = `${image}-again`;
      made.push(again);
      const { stderr } = await buildImage(base, again, '--no-cache');
      made.push(...(await leftOver(stderr)));
      expect(await inspect('.RootFS.Layers', again)).toEqual(await inspect('.RootFS.Layers'));
    },
    BUILD_MS,
  );
}

async function readAll(image: string, ...paths: readonly string[]): Promise<string[]> {
  const read = `console.log(JSON.stringify(${JSON.stringify(paths)}.map((it) => fs.readFileSync(it, 'utf8'))))`;
  return JSON.parse(await ask('run', '--rm', '--entrypoint=node', image, '--eval', read)) as string[];
}

/** The sources of the code in the image, as paths from the top of the repository. */
async function sourcesOf(image: string): Promise<string[]> {
  const read = `console.log(JSON.stringify(fs.globSync('/app/**/*.map').flatMap((it) =>
    JSON.parse(fs.readFileSync(it, 'utf8')).sources.map((source) => path.relative('/src', path.resolve(path.dirname(it), source))))))`;
  return [...new Set(JSON.parse(await ask('run', '--rm', '--entrypoint=node', image, '--eval', read)) as string[])];
}

/**
 * Images that a build without cache leaves. If Docker has no BuildKit, each step is an image of its
 * own.
 */
async function leftOver(output: string): Promise<string[]> {
  const ofBase = await ask('image', 'inspect', '--format', '{{.Id}}', base);
  const steps = [...output.matchAll(/^ ---> ([0-9a-f]{12})$/gm)].flatMap(([, step = '']) => step);
  return steps.filter((step) => !ofBase.includes(step));
}
