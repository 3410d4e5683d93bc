import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { openBroker } from '@blockhub/broker';
import { hashOf } from '@blockhub/chain';
import { openStore } from '@blockhub/store';
import { afterAll, expect, test } from '@jest/globals';
import { isClean, judge, type Verdict } from '../simulation/judge.ts';
import type { SampleChain, Sent } from '../simulation/senders.ts';
import { startMesh, within } from './mesh.ts';
import { post } from './senders.ts';
import { openServers } from './servers.ts';
import { noticeQueues } from './services.ts';

const EVENTS = 300;
const REST_MS = 120_000;
const name = 'a mesh of processes is worked on by commands, and each process ends in order when it is asked to';
const blockhubMain = join(import.meta.dirname, '../../packages/cli/src/main.ts');
const servers = await openServers();

if ('absent' in servers) test.skip(`${name} (left out: ${servers.absent})`, () => undefined);
else {
  const { credentials } = servers;
  afterAll(() => servers.close());

  /** The first value that holds; the last one if none holds in time. */
  const eventually = async <T>(read: () => Promise<T>, holds: (value: T) => boolean): Promise<T> => {
    let value = await read();
    await within(REST_MS, async () => {
      if (holds(value)) return true;
      value = await read();
      return holds(value);
    });
    return value;
  };

  /** What a command wrote, line by line. */
  const blockhub = async (...args: string[]) => {
    const child = spawn(process.execPath, [blockhubMain, ...args, '--output', 'ndjson'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        BLOCKHUB_BROKER: `${servers.url('broker')}&management=${servers.management}`,
        BLOCKHUB_STORE: servers.url('store'),
        BLOCKHUB_REGISTRY: servers.url('registry'),
        ...(credentials && { BLOCKHUB_STORE_ACCESS_KEY: credentials.accessKey, BLOCKHUB_STORE_SECRET_KEY: credentials.secretKey }),
      },
    });
    const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    if (code !== 0) throw new Error(`blockhub ${args.join(' ')} ended with ${code}: ${out}${err}`);
    return out
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  };

  const create = async (chain: string): Promise<SampleChain> => {
    const [{ chain: id }] = await blockhub('create', chain);
    return { id, name: chain, crypt: 'sha256', requests: true };
  };

  test(name, async () => {
    const chains = [await create('default'), await create('other')];
    const mesh = await startMesh(servers, { replicas: 2, logs: mkdtempSync(join(tmpdir(), 'blockhub-commands-')) });
    try {
      const agent = new Agent({ keepAlive: true });
      const send = async (n: number): Promise<Sent> => {
        const chain = chains[n % 2] as SampleChain;
        const body = Buffer.from(`event ${n}`);
        const answer = await post(`${mesh.captureUrls[(n >> 1) % mesh.captureUrls.length]}/append/chain/${chain.name}`, body, agent);
        return { chain, hash: hashOf('sha256', body), answer };
      };
      const sent = await Promise.all(Array.from({ length: EVENTS }, (_, n) => send(n)));
      agent.destroy();
      expect(sent.filter(({ answer }) => !answer.receipt)).toEqual([]);

      const client = await openBroker(servers.url('broker'));
      await client.publish([{ queue: 'blobs.deployed.0', id: 'wrong', meta: {}, body: Buffer.from('nonsense') }]);
      await client.close();
      const wrong = { id: 'wrong', code: 'TEMPLATE_FIELD_MISSING', queue: 'blobs.deployed.0' };
      const kept = () => blockhub('dead-letter', 'list');
      const isKept = (list: readonly unknown[]): boolean => list.length > 0;
      expect(await eventually(kept, isKept)).toMatchObject([wrong]);
      expect(await blockhub('dead-letter', 'replay', 'wrong')).toMatchObject([{ type: 'replayed', ...wrong }]);
      expect(await eventually(kept, isKept)).toMatchObject([wrong]);
      expect(await blockhub('dead-letter', 'discard', 'wrong', '--reason', 'a test')).toMatchObject([{ type: 'discarded', ...wrong }]);
      expect(await eventually(kept, (list) => !isKept(list))).toEqual([]);

      // The bucket is exact. Counts of the management API are seconds old, so the test waits for
      // them.
      const store = await openStore(servers.url('store'), { credentials });
      const isWhole = (verdict: Verdict): boolean => isClean(verdict) && verdict.events === 2 * EVENTS;
      await eventually(
        () => judge(store, chains, sent),
        (verdict) => isWhole(verdict) && mesh.spooled().length === 0,
      );
      const busy = async () => {
        // The mesh has no consumer of notices.
        const queues = (await blockhub('queues')).filter(({ name: queue }) => !noticeQueues.includes(queue));
        return queues.length > 0 ? queues.filter(({ ready, unacked }) => ready + unacked > 0) : ['not listed yet'];
      };
      expect(await eventually(busy, (queues) => queues.length === 0)).toEqual([]);

      const ends = Array.from(mesh.processes, async ([replica, process]) => [replica, await process.end('SIGTERM')]);
      expect((await Promise.all(ends)).filter(([, code]) => code !== 0)).toEqual([]);

      const sound = { faults: 0, unchecked: 0 };
      expect(await blockhub('verify', '--all', '--level', 'full')).toMatchObject([sound, sound]);
      const verdict = await judge(store, chains, sent);
      await store.close();
      expect(isClean(verdict) ? '' : verdict).toBe('');
      expect(verdict.events).toBe(2 * EVENTS);
    } finally {
      await mesh.stop();
    }
  }, 600_000);
}
