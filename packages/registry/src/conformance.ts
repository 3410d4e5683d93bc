import { describe, expect, test } from '@jest/globals';
import type { ChainRecord, Registry } from './registry.ts';

export interface RegistryConformance {
  /** Opens the registry of a name. The same name gives the same data, and a new name is empty. */
  open(name: string): Promise<Registry>;
  /** Tests that a driver cannot pass, by title, with the reason. */
  readonly skip?: Readonly<Record<string, string>>;
}

let names = 0;
const hash = (n: number): string => n.toString(16).padStart(64, '0');

const record = (n: number, more: Partial<ChainRecord> = {}): ChainRecord => ({
  id: hash(n),
  crypt: 'sha256',
  settings: {},
  time: 1_700_000_000_000 + n,
  ...more,
});

async function list(registry: Registry): Promise<ChainRecord[]> {
  const found: ChainRecord[] = [];
  for await (const one of registry.chains()) found.push(one);
  return found;
}

/** The tests that every registry must pass. Registers them with Jest. */
export function registryConformance(driver: string, { open, skip = {} }: RegistryConformance): void {
  function check(title: string, run: (registry: Registry, reopen: () => Promise<Registry>) => Promise<void>): void {
    if (skip[title] !== undefined) {
      test.skip(`${title} (${skip[title]})`, () => {});
      return;
    }
    test(title, async () => {
      const name = `place-${++names}`;
      const opened: Registry[] = [];
      const reopen = async (): Promise<Registry> => {
        const registry = await open(name);
        opened.push(registry);
        return registry;
      };
      try {
        await run(await reopen(), reopen);
      } finally {
        for (const registry of opened) await registry.close();
      }
    });
  }

  describe(`${driver}: chains`, () => {
    check('an unknown chain is undefined', async (registry) => {
      for (const name of ['default', hash(1), '', '__proto__', "x' OR 1=1", 'x'.repeat(10_000)])
        expect(await registry.findChain(name)).toBeUndefined();
      expect(await list(registry)).toEqual([]);
    });

    check('a chain is found by id and by name, exactly as put', async (registry) => {
      const full = record(1, { name: 'default', settings: { requests: false } });
      const md5: ChainRecord = { id: 'a'.repeat(32), crypt: 'md5', settings: { requests: true }, time: 0 };
      await registry.putChain(full);
      await registry.putChain(md5);
      expect(await registry.findChain('default')).toEqual(full);
      expect(await registry.findChain(full.id)).toEqual(full);
      expect(await registry.findChain(md5.id)).toEqual(md5);
      expect(await registry.findChain('Default')).toBeUndefined();
      expect(await registry.findChain(full.id.toUpperCase().replace('0', 'A'))).toBeUndefined();
    });

    check('a miss is not remembered: another process may create the chain', async (registry, reopen) => {
      const other = await reopen();
      expect(await registry.findChain('late')).toBeUndefined();
      await other.putChain(record(1, { name: 'late' }));
      expect(await registry.findChain('late')).toEqual(record(1, { name: 'late' }));
    });

    check('putting again changes nothing or replaces', async (registry) => {
      await registry.putChain(record(1, { name: 'one' }));
      await registry.putChain(record(1, { name: 'one' }));
      expect(await list(registry)).toEqual([record(1, { name: 'one' })]);
      await registry.putChain(record(1, { name: 'two' }));
      expect(await registry.findChain('one')).toBeUndefined();
      expect(await registry.findChain('two')).toEqual(record(1, { name: 'two' }));
      await registry.putChain(record(1));
      expect(await registry.findChain('two')).toBeUndefined();
      expect(await list(registry)).toEqual([record(1)]);
    });

    check('a name belongs to the record put last with it', async (registry) => {
      await registry.putChain(record(1, { name: 'default' }));
      expect(await registry.findChain('default')).toEqual(record(1, { name: 'default' }));
      await registry.putChain(record(2, { name: 'default' }));
      expect(await registry.findChain('default')).toEqual(record(2, { name: 'default' }));
      expect(await registry.findChain(hash(1))).toEqual(record(1));
      expect(await list(registry)).toEqual([record(1), record(2, { name: 'default' })]);
    });

    check('all chains come, ordered by id', async (registry) => {
      const all = Array.from({ length: 1203 }, (_, n) => record(n, { name: `chain-${n}` }));
      for (const one of all.toReversed()) await registry.putChain(one);
      expect(await list(registry)).toEqual(all);
    });

    check('changing what was put or found changes nothing', async (registry) => {
      const given = { ...record(1, { name: 'default' }), settings: { requests: true } };
      await registry.putChain(given);
      given.settings.requests = false;
      expect((await registry.findChain('default'))?.settings).toEqual({ requests: true });
      const found = (await registry.findChain('default')) as { settings: { requests?: boolean } };
      expect(() => {
        found.settings.requests = false;
      }).toThrow(TypeError);
    });

    check('a record that is not valid is refused', async (registry) => {
      const wrong = {
        id: ['', 'x', hash(1).toUpperCase().replace('0', 'A'), 'a'.repeat(32), 5],
        name: ['', 'b'.repeat(32), hash(3), 7, 'x'.repeat(256)],
        crypt: ['sha1', undefined],
        time: [-1, 1.5, Number.NaN, '1'],
        settings: [null, 'x', { requests: 1 }],
      };
      for (const [field, values] of Object.entries(wrong)) {
        for (const value of values) {
          await expect(registry.putChain({ ...record(1), [field]: value } as ChainRecord)).rejects.toMatchObject({ code: 'CHAIN_INVALID' });
        }
      }
      expect(await list(registry)).toEqual([]);
    });
  });

  describe(`${driver}: hints`, () => {
    check('an unknown hint is undefined', async (registry) => {
      expect(await registry.findHint(hash(1))).toBeUndefined();
    });

    check('a hint is seen at once, and only grows', async (registry) => {
      for (const [put, expected] of [
        [0, 0],
        [5, 5],
        [3, 5],
        [9, 9],
        [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
      ] as const) {
        await registry.putHint(hash(1), put);
        expect(await registry.findHint(hash(1))).toBe(expected);
      }
      expect(await registry.findHint(hash(2))).toBeUndefined();
    });

    check('a height is a whole number', async (registry) => {
      for (const height of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
        await expect(registry.putHint(hash(1), height)).rejects.toMatchObject({ code: 'CHAIN_INVALID' });
      }
    });
  });

  describe(`${driver}: claims`, () => {
    const times = (now: number, until = now + 1000) => ({ now, until });

    check('the first claim holds until it ends', async (registry) => {
      expect(await registry.claim('a', 'one', times(5000))).toBe('one');
      expect(await registry.claim('a', 'two', times(5999))).toBe('one');
      expect(await registry.claim('b', 'two', times(5999))).toBe('two');
      expect(await registry.claim('a', 'three', times(6000))).toBe('three');
      expect(await registry.claim('a', 'four', times(6001))).toBe('three');
    });

    check('of racing claims one holds, for all', async (registry, reopen) => {
      const other = await reopen();
      const claims = Array.from({ length: 40 }, (_, n) => (n % 2 === 0 ? registry : other).claim('a', `value ${n}`, times(5000)));
      const given = new Set(await Promise.all(claims));
      expect(given.size).toBe(1);
      expect(given).toContain(await other.claim('a', 'late', times(5001)));
    });

    check('another value does not make a claim last longer, nor make one', async (registry) => {
      await registry.replaceClaim('a', 'nothing');
      expect(await registry.claim('a', 'one', times(5000))).toBe('one');
      await registry.replaceClaim('a', 'two');
      expect(await registry.claim('a', 'three', times(5999))).toBe('two');
      expect(await registry.claim('a', 'four', times(6000))).toBe('four');
    });

    check('a claim is there after closing and opening, and gone after a wipe', async (registry, reopen) => {
      await registry.claim('a', 'one', times(5000));
      await registry.close();
      const again = await reopen();
      expect(await again.claim('a', 'two', times(5001))).toBe('one');
      await again.wipe();
      expect(await again.claim('a', 'three', times(5002))).toBe('three');
    });
  });

  describe(`${driver}: its life`, () => {
    check('wipe forgets everything, and work goes on', async (registry) => {
      await registry.putChain(record(1, { name: 'default' }));
      await registry.findChain('default');
      await registry.putHint(hash(1), 7);
      await registry.wipe();
      expect([await registry.findChain('default'), await registry.findChain(hash(1)), await registry.findHint(hash(1))]).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
      expect(await list(registry)).toEqual([]);
      await registry.putChain(record(2, { name: 'default' }));
      expect((await registry.findChain('default'))?.id).toBe(hash(2));
    });

    check('a check leaves no trace, empty or not', async (registry) => {
      await registry.check();
      expect(await list(registry)).toEqual([]);
      await registry.putChain(record(1, { name: 'default' }));
      expect(await registry.claim('key', 'one', { now: 1, until: 5000 })).toBe('one');
      await registry.check();
      expect(await list(registry)).toEqual([record(1, { name: 'default' })]);
      expect(await registry.findChain('')).toBeUndefined();
      expect(await registry.findHint('')).toBeUndefined();
      expect(await registry.claim('key', 'two', { now: 2, until: 5000 })).toBe('one');
      expect(await registry.claim('', 'empty', { now: 2, until: 5000 })).toBe('empty');
    });

    check('what was put is there after closing and opening', async (registry, reopen) => {
      await registry.putChain(record(1, { name: 'default', settings: { requests: false } }));
      await registry.putHint(hash(1), 7);
      await registry.putHint(hash(1), 8);
      await registry.close();
      await registry.close();
      const again = await reopen();
      expect(await again.findChain('default')).toEqual(record(1, { name: 'default', settings: { requests: false } }));
      expect(await again.findHint(hash(1))).toBe(8);
    });

    check('two may put at the same time', async (registry, reopen) => {
      const other = await reopen();
      await Promise.all(Array.from({ length: 50 }, (_, n) => [registry, other][n % 2]?.putChain(record(n))));
      await Promise.all(Array.from({ length: 50 }, (_, n) => [registry, other][n % 2]?.putHint(hash(1), n)));
      expect(await list(other)).toHaveLength(50);
      expect(await list(registry)).toHaveLength(50);
      await Promise.all([registry.close(), other.close()]);
      expect(await (await reopen()).findHint(hash(1))).toBe(49);
    });
  });
}
