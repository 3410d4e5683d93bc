import { openProxy, redisCluster } from '@blockhub/test-servers';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { registryConformance } from './conformance.ts';
import { openRegistry, type RegistryOptions } from './open.ts';
import { keyOf } from './redis-scripts.ts';
import type { ChainRecord, Registry } from './registry.ts';

const SHARDS = 3;
/** A node that becomes a cluster of one shard, and one that has no slots. */
const [ALONE, EMPTY] = [SHARDS, SHARDS + 1];

const server = await redisCluster(SHARDS, 2);
const hash = (n: number): string => n.toString(16).padStart(64, '0');
const record = (n: number): ChainRecord => ({ id: hash(n), name: `chain-${n}`, crypt: 'sha256', settings: {}, time: n });

const releases: (() => unknown)[] = [];
afterEach(async () => {
  for (const release of releases.splice(0).reverse()) await release();
});

async function opened(url: string, options?: RegistryOptions): Promise<Registry> {
  const registry = await openRegistry(url, options);
  releases.push(() => registry.close());
  return registry;
}

async function use(registry: Registry): Promise<void> {
  await registry.check();
  await registry.putChain(record(1));
  expect(await registry.findChain('chain-1')).toEqual(record(1));
  expect(await registry.claim('a', 'first', { now: 1, until: 9 })).toBe('first');
  expect(await registry.claim('a', 'second', { now: 2, until: 9 })).toBe('first');
  await registry.wipe();
  expect(await registry.findChain('chain-1')).toBeUndefined();
}

if ('absent' in server) test.skip(`Redis in cluster mode (left out: ${server.absent})`, () => undefined);
else {
  afterAll(() => server.close());
  const { nodes, cli } = server;
  const at = (node: number, options: string): string => `redis://${nodes[node]}?${options}`;

  describe('a cluster of three shards', () => {
    registryConformance('redis cluster', { open: (name) => openRegistry(at(0, `prefix=conformance-${name}`)) });

    // The slots of these prefixes are on different nodes, so some are elsewhere for each node.
    test.each(Array.from({ length: SHARDS }, (_, node) => node))('is used as a whole from node %i', async (node) => {
      for (const prefix of ['a', 'b', 'c', 'd', 'e', 'f']) await use(await opened(at(node, `prefix=${prefix}`)));
    });

    test('is used with cluster=on from the start', async () => {
      for (const prefix of ['a', 'b', 'c']) await use(await opened(at(0, `cluster=on&prefix=${prefix}`)));
    });

    test('is refused with cluster=off where another node has the keys', async () => {
      const errors: unknown[] = [];
      for (const prefix of ['a', 'b', 'c', 'd', 'e', 'f']) {
        const registry = await opened(at(0, `cluster=off&prefix=${prefix}`));
        errors.push(await registry.check().catch((error: unknown) => error));
      }
      expect(errors).toContainEqual(expect.objectContaining({ code: 'REGISTRY_UNUSABLE' }));
      expect(errors).toContain(undefined);
    });

    test('has only database 0, and the error says so', async () => {
      const registry = await opened(`redis://${nodes[0]}/1`);
      await expect(registry.check()).rejects.toMatchObject({ code: 'REGISTRY_UNUSABLE', fix: expect.stringMatching(/write no number/) });
    });

    test('that moves the slot to another node while it is used is followed', async () => {
      const url = at(0, 'prefix=moving');
      const writer = await openRegistry(url);
      await writer.putChain(record(1));
      await writer.putHint(hash(1), 7);
      await writer.close();
      const registry = await opened(url);
      const slot = (await cli(0, 'cluster', 'keyslot', keyOf('moving', 'chains'))).trim();
      const ids = await Promise.all(Array.from({ length: SHARDS }, async (_, node) => (await cli(node, 'cluster', 'myid')).trim()));
      const from = Math.floor((Number(slot) * SHARDS) / 16_384);
      const to = (from + 1) % SHARDS;
      await cli(to, 'cluster', 'setslot', slot, 'importing', ids[from] ?? '');
      await cli(from, 'cluster', 'setslot', slot, 'migrating', ids[to] ?? '');
      const port = String(7000 + to);
      const keys = (await cli(from, 'cluster', 'getkeysinslot', slot, '100')).trim().split('\n');
      expect(keys).toContain(keyOf('moving', 'chains'));
      await cli(from, 'migrate', '127.0.0.1', port, '', '0', '5000', 'keys', ...keys);
      // ASK: the keys have moved, but the slot has not. A script needs all keys, and fails for now.
      expect(await registry.findHint(hash(1))).toBe(7);
      await expect(registry.findChain('chain-1')).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE', transient: true });
      for (const node of [to, from]) await cli(node, 'cluster', 'setslot', slot, 'node', ids[to] ?? '');
      // Until the nodes agree they may send us to and fro.
      const isFound = async (): Promise<boolean> => (await registry.findChain('chain-1').catch(() => undefined)) !== undefined;
      while (!(await isFound())) await new Promise((resolve) => setTimeout(resolve, 10));
      expect(await registry.findChain('chain-1')).toEqual(record(1));
      expect(await (await opened(url)).findChain('chain-1')).toEqual(record(1));
    });

    test('whose nodes announce addresses that lead nowhere says so', async () => {
      await cli(1, 'config', 'set', 'cluster-announce-port', '1');
      releases.push(() => cli(1, 'config', 'set', 'cluster-announce-port', nodes[1]?.split(':')[1] ?? ''));
      const ask = async (prefix: string): Promise<unknown> =>
        (await opened(at(0, `prefix=${prefix}`))).check().catch((error: unknown) => error);
      // Nodes tell each other in time, and an older word may come behind a newer one.
      let errors: unknown[];
      do {
        errors = [];
        for (const prefix of ['a', 'b', 'c', 'd', 'e', 'f']) errors.push(await ask(prefix));
      } while (errors.every((error) => error === undefined));
      expect(errors).toContain(undefined);
      expect(errors).toContainEqual(
        expect.objectContaining({
          code: 'REGISTRY_UNAVAILABLE',
          message: expect.stringContaining('127.0.0.1:1: '),
          fix: expect.stringContaining('cluster-announce-ip'),
        }),
      );
    });
  });

  describe('a cluster of one shard', () => {
    test('without its slots says what is missing, and is used when they are there, behind whatever address', async () => {
      const proxy = await openProxy(nodes[ALONE] ?? '');
      releases.push(() => proxy.close());
      // What it announces leads nowhere, as behind a port that is mapped.
      await cli(ALONE, 'config', 'set', 'cluster-announce-ip', '192.0.2.1');
      const registry = await opened(`redis://${proxy.address}`);
      await expect(registry.check()).rejects.toMatchObject({
        code: 'REGISTRY_UNAVAILABLE',
        transient: true,
        fix: expect.stringContaining('CLUSTER INFO'),
      });
      await cli(ALONE, 'cluster', 'addslotsrange', '0', '16383');
      while (!(await cli(ALONE, 'cluster', 'info')).includes('cluster_state:ok'));
      await use(registry);
    });

    test('that lost its slots has another error than one that does not answer', async () => {
      const registry = await opened(at(EMPTY, 'prefix=x'));
      await expect(registry.findHint('a')).rejects.toThrow(/without a node for this key/);
    });
  });
}
