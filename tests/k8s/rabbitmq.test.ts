import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Broker, openBroker } from '@blockhub/broker';
import { systemClock } from '@blockhub/clock';
import { queues } from '@blockhub/message';
import { afterAll, describe, expect, test } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { ask, docker } from '../image/docker.ts';

const folder = resolve(import.meta.dirname, '../../k8s/rabbitmq');
const named = process.env.BLOCKHUB_TEST_RABBITMQ_IMAGE;
const image = named || 'rabbitmq:4-management';
const nodes = [0, 1, 2].map((at) => ({ container: `blockhub-test-${process.pid}-${at}`, host: `rabbitmq-${at}.rabbitmq-nodes` }));

/** Why there are no containers, or undefined. If the variable names an image, it must work. */
async function whyNot(): Promise<string | undefined> {
  if ((await docker('image', 'inspect', image)).code === 0) return undefined;
  const pulled = await docker('pull', '--quiet', image);
  if (pulled.code === 0) return undefined;
  if (named) throw new Error(`BLOCKHUB_TEST_RABBITMQ_IMAGE=${image}: ${pulled.stderr}`);
  return `${image} cannot be started: ${pulled.stderr.trim().split('\n').at(-1)}`;
}

// biome-ignore lint/suspicious/noExplicitAny: Kubernetes' own objects
const objects: any[] = parseAllDocuments(readFileSync(join(folder, 'cluster.yaml'), 'utf8')).map((one) => one.toJS());
const config = objects.find(({ kind }) => kind === 'ConfigMap').data as Record<string, string>;
const [container] = objects.find(({ kind }) => kind === 'StatefulSet').spec.template.spec.containers;

const made = mkdtempSync(join(tmpdir(), 'blockhub-rabbitmq-'));
afterAll(() => rmSync(made, { recursive: true }));

/** Runs `passwords.ts`. */
function passwords(): string {
  const script = join(folder, 'passwords.ts');
  return execFileSync(process.execPath, [script, join(made, 'passwords')], { encoding: 'utf8' });
}

const passwordOf = (user: string): string => readFileSync(join(made, 'passwords', user), 'utf8');

describe('passwords', () => {
  test('are created once for each user, and only their hashes are printed', () => {
    const first = JSON.parse(passwords()) as { users: { name: string; password_hash: string }[] };
    const users = readdirSync(join(made, 'passwords'));
    expect(users.toSorted()).toEqual(first.users.map(({ name }) => name).toSorted());
    expect(users).toContain('builder');
    const before = users.map(passwordOf);
    expect(new Set(before).size).toBe(users.length);
    const again = passwords();
    expect(users.map(passwordOf)).toEqual(before);
    for (const password of before) expect(again).not.toContain(password);
    const { users: unset } = JSON.parse(readFileSync(join(folder, 'definitions.json'), 'utf8')) as typeof first;
    expect(unset.map(({ password_hash }) => password_hash)).toEqual(users.map(() => ''));
  });
});

const reason = await whyNot();
if (reason !== undefined) test.skip(`RabbitMQ of three nodes (${reason})`, () => undefined);
else
  describe('RabbitMQ of three nodes', () => {
    const network = `blockhub-test-${process.pid}`;
    const releases: (() => unknown)[] = [];
    afterAll(async () => {
      for (const release of releases.reverse()) await release();
      await docker('rm', '--force', '--volumes', ...nodes.map((node) => node.container));
      await docker('network', 'rm', network);
    });
    const ctl = (at: number, ...words: string[]): Promise<string> =>
      ask('exec', nodes[at]?.container ?? '', 'rabbitmqctl', '--quiet', ...words);

    /** Starts all nodes with the configuration of cluster.yaml. */
    async function start(): Promise<void> {
      const files = join(made, 'config');
      mkdirSync(files);
      for (const [name, text] of Object.entries(config)) writeFileSync(join(files, name), text);
      writeFileSync(join(files, 'definitions.json'), passwords());
      await ask('network', 'create', network);
      const known: Record<string, string> = {};
      for (const { name, value } of container.env) if (value !== undefined) known[name] = value;
      const mounts = container.volumeMounts
        .filter(({ name }: { name: string }) => name === 'config')
        .flatMap(({ mountPath, subPath = '' }: { mountPath: string; subPath?: string }) => [
          '--volume',
          `${join(files, subPath)}:${mountPath}:ro`,
        ]);
      chmodSync(made, 0o755);
      await Promise.all(
        nodes.map(({ container, host }, at) => {
          const env = Object.entries(known).flatMap(([name, value]) => [
            '--env',
            `${name}=${value.replace('$(POD_NAME)', `rabbitmq-${at}`)}`,
          ]);
          const place = ['--network', network, '--network-alias', host, '--hostname', host, '--publish', '127.0.0.1::5672'];
          return ask('run', '--detach', '--name', container, ...place, ...env, ...mounts, '--env', 'RABBITMQ_ERLANG_COOKIE=test', image);
        }),
      );
    }

    test('forms a cluster with users and queues, works without one node, and imports a new password', async () => {
      await start();
      const members = async (): Promise<number[]> => {
        const { code, stdout } = await docker(
          'exec',
          nodes[0]?.container ?? '',
          'rabbitmqctl',
          '--quiet',
          '--formatter=json',
          'list_queues',
          'name',
          'members',
        );
        return code === 0 ? (JSON.parse(stdout) as { members: string[] }[]).map((queue) => queue.members.length) : [];
      };
      const { queues: wanted } = JSON.parse(readFileSync(join(folder, 'definitions.json'), 'utf8')) as { queues: object[] };
      const isDone = (counts: number[]): boolean => counts.length === wanted.length && counts.every((count) => count === 3);
      while (!isDone(await members())) await systemClock.sleep(500);
      expect(await ctl(1, 'list_users')).not.toContain('guest');

      const open = async (user: string, left: readonly number[], password = passwordOf(user)): Promise<Broker> => {
        const [first, ...more] = await Promise.all(left.map((at) => ask('port', nodes[at]?.container ?? '', '5672')));
        const hosts = new URLSearchParams(more.map((address): [string, string] => ['host', address]));
        const broker = await openBroker(`amqp://${first}?${hosts}`, { user, password });
        releases.push(() => broker.close());
        return broker;
      };
      const sender = await open('web-to-msg', [0, 1, 2]);
      const publish = (broker: Broker, id: string): Promise<void> =>
        broker.publish([{ queue: queues.ingress.name, id, meta: {}, body: Buffer.from(id) }]);
      await publish(sender, 'before');
      await ask('kill', nodes[0]?.container ?? '');
      // A queue whose leader was on the killed node gets another leader.
      const left = await open('web-to-msg', [1, 2]);
      for (let done = false; !done; ) {
        done = await publish(left, 'after').then(
          () => true,
          () => systemClock.sleep(500).then(() => false),
        );
      }
      const ids = new Set<string>();
      const taker = await open('deploy-blobs', [1, 2]);
      await new Promise<void>((done, fail) => {
        const take = ({ id }: { readonly id: string }): void => {
          if (ids.add(id).size === 2) done();
        };
        taker.consume(queues.ingress.name, { prefetch: 10 }, take).catch(fail);
      });
      expect([...ids].toSorted()).toEqual(['after', 'before']);

      const before = passwordOf('builder');
      rmSync(join(made, 'passwords/builder'));
      writeFileSync(join(made, 'config/definitions.json'), passwords());
      await ctl(1, 'import_definitions', '/etc/blockhub/definitions.json');
      await open('builder', [1, 2]);
      await expect(open('builder', [1, 2], before)).rejects.toMatchObject({ code: 'BROKER_DENIED' });
    }, 240_000);
  });
