import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { openBroker } from '@blockhub/broker';
import { hashOf } from '@blockhub/chain';
import { seededRandom } from '@blockhub/faults';
import { openStore } from '@blockhub/store';
import { minio, openProxy, rabbitmq, redis } from '@blockhub/test-servers';
import { getChain, walk } from '@blockhub/walker';
import { afterAll, expect, test } from '@jest/globals';
import { places } from '../conservation/places.ts';
import { until } from '../standalone/standalone.ts';
import { type Instance, startInstance } from './services.ts';

const EVENTS = 2_000;
const SENDERS = 8;
const PARTITIONS = 2;
const blockhubMain = join(import.meta.dirname, '../../packages/cli/src/main.ts');

const [broker, store, registry] = [await rabbitmq(), await minio(), await redis()];
const absent = [broker, store, registry].flatMap((server) => ('absent' in server ? [server.absent] : []));

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

if ('absent' in broker || 'absent' in store || 'absent' in registry || !broker.ctl || !broker.restart)
  test.skip(`services as processes of their own (${absent.join('; ') || 'RabbitMQ cannot be restarted here'})`, () => {});
else {
  const { ctl, restart } = broker;
  const { host, username, password } = new URL(broker.url);
  // Its address stays while the server's changes.
  const proxy = await openProxy(host);
  const run = `distributed-${Date.now()}`;
  const env = {
    BLOCKHUB_BROKER: `amqp://${proxy.address}?heartbeat=2`,
    BLOCKHUB_BROKER_USER: username,
    BLOCKHUB_BROKER_PASSWORD: password,
    BLOCKHUB_STORE: store.url.replace('?', `/${run}?`),
    ...(store.credentials && {
      BLOCKHUB_STORE_ACCESS_KEY: store.credentials.accessKey,
      BLOCKHUB_STORE_SECRET_KEY: store.credentials.secretKey,
    }),
    BLOCKHUB_REGISTRY: `${registry.url}?prefix=${run}`,
  };
  const instances: Instance[] = [];
  afterAll(async () => {
    await Promise.all(instances.map((instance) => instance.stop()));
    await Promise.all([proxy.close(), broker.close(), store.close(), registry.close()]);
  }, 120_000);

  /** What a command wrote, line by line. */
  const blockhub = async (...args: string[]) => {
    const child = spawn(process.execPath, [blockhubMain, ...args, '--output', 'ndjson'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env, BLOCKHUB_BROKER: `${env.BLOCKHUB_BROKER}&management=${broker.management}` },
    });
    const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    if (code !== 0) throw new Error(`blockhub ${args.join(' ')} ended with ${code}: ${out}${err}`);
    const lines = out.split('\n').filter((line) => line !== '');
    return lines.map((line) => JSON.parse(line));
  };
  const quiet = (): Promise<void> =>
    until(async () => {
      const queues = await blockhub('queues');
      return queues.length > 0 && queues.every(({ name, ready, unacked }) => name === 'dead-letter.kept' || ready + unacked === 0);
    }, 500);
  const deadLetters = async () => {
    await until(async () => (await blockhub('dead-letter', 'list')).length > 0, 200);
    return blockhub('dead-letter', 'list');
  };

  test('two processes of each service on RabbitMQ, S3 and Redis: every 201 is in its chain exactly once, whatever breaks meanwhile', async () => {
    await blockhub('create', 'default');
    await blockhub('create', 'other');
    for (const number of [1, 2]) {
      const starting = places(PARTITIONS).map(({ name, service, env: own }) =>
        startInstance(`${name} ${number}`, service, { ...env, ...own }),
      );
      instances.push(...(await Promise.all(starting)));
    }
    const doors = instances.filter(({ name }) => name.startsWith('web-to-msg'));
    const posted = new Set<string>();
    const receipts = new Map<string, string>();
    let count = 0;
    const send = async (sender: number): Promise<void> => {
      const chain = sender % 2 === 0 ? 'default' : 'other';
      while (receipts.size < EVENTS) {
        const body = `event ${count++}`;
        posted.add(hashOf('sha256', Buffer.from(body)));
        const door = doors[count % doors.length] as Instance;
        const answer = await fetch(`${door.url}/append/chain/${chain}`, { method: 'POST', body }).catch(() => undefined);
        if (answer?.status === 201) {
          const { event, hash } = (await answer.json()) as { event: string; hash: string };
          receipts.set(event, hash);
        } else await sleep(100);
      }
    };
    const sending = Promise.all(Array.from({ length: SENDERS }, (_, sender) => send(sender)));

    const reach = (part: number): Promise<void> => until(() => receipts.size >= EVENTS * part, 5);
    await reach(0.1);
    proxy.cut();
    await reach(0.2);
    await ctl('stop_app');
    await ctl('start_app');
    await reach(0.4);
    const random = seededRandom(7);
    for (const instance of instances) if (random() < 0.5) await instance.kill();
    await reach(0.6);
    // It dies at once, and takes its container with it.
    await ctl('eval', 'erlang:halt(1).').catch(() => {});
    await restart();
    proxy.target = new URL(broker.url).host;
    await reach(0.8);
    proxy.mode = 'silent';
    // Longer than two heartbeats.
    await sleep(6_000);
    proxy.mode = 'pass';
    await sending;
    await quiet();

    const stranger = await openBroker(broker.url);
    await stranger.publish([{ queue: 'blobs.deployed.0', id: 'wrong', meta: {}, body: Buffer.from('nonsense') }]);
    await stranger.close();
    const wrong = { id: 'wrong', code: 'TEMPLATE_FIELD_MISSING', queue: 'blobs.deployed.0' };
    expect(await deadLetters()).toMatchObject([wrong]);
    expect(await blockhub('dead-letter', 'replay', 'wrong')).toMatchObject([{ type: 'replayed', ...wrong }]);
    expect(await deadLetters()).toMatchObject([wrong]);
    expect(await blockhub('dead-letter', 'discard', 'wrong', '--reason', 'a test')).toMatchObject([{ type: 'discarded', ...wrong }]);
    expect(await blockhub('dead-letter', 'list')).toEqual([]);

    const sound = { faults: 0, unchecked: 0 };
    expect(await blockhub('verify', '--all', '--level', 'full')).toMatchObject([sound, sound]);
    const opened = await openStore(env.BLOCKHUB_STORE, { credentials: store.credentials });
    const seen = new Map<string, string>();
    const bodies = new Set<string>();
    for (const name of ['default', 'other']) {
      for await (const { blocks } of walk(opened, { chain: (await getChain(opened, name)).id })) {
        for (const { event, hash, meta } of blocks.flatMap((block) => block.blobs)) {
          expect(seen.has(event)).toBe(false);
          seen.set(event, hash);
          if (meta.about !== undefined) continue;
          // Every body was posted once: the same hash twice would be a doubled one.
          expect([bodies.has(hash), posted.has(hash)]).toEqual([false, true]);
          bodies.add(hash);
        }
      }
    }
    await opened.close();
    expect([...receipts].filter(([event, hash]) => seen.get(event) !== hash)).toEqual([]);
    for (const instance of instances) expect([instance.name, await instance.stop()]).toEqual([instance.name, 0]);
  }, 600_000);
}
