import { BlockhubError } from '@blockhub/errors';
import type { StoreDriver, StoredObject } from './driver.ts';

/** What a driver must do. Each case is one line of the report. */
type Case = (driver: StoreDriver, expect: Jest['expect']) => Promise<void>;

type Jest = Pick<typeof import('@jest/globals'), 'describe' | 'expect' | 'test'>;

export interface ConformanceOptions {
  /** Cases that this driver cannot pass, each with the reason. */
  readonly skip?: Readonly<Record<string, string>>;
}

const text = (value: string): Buffer => Buffer.from(value);

async function all(objects: AsyncIterable<StoredObject>): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of objects) keys.push(key);
  return keys;
}

const reading: Record<string, Case> = {
  async 'nothing lies at an unused key'(driver, expect) {
    expect(await driver.get('a/b')).toBeUndefined();
    expect(await driver.get('a/b', { offset: 0, length: 1 })).toBeUndefined();
    expect(await driver.head('a/b')).toBeUndefined();
    expect(await all(driver.list(''))).toEqual([]);
    await driver.remove('a/b');
  },
  async 'a folder is not an object'(driver, expect) {
    await driver.create('a/b', text('x'));
    expect(await driver.get('a')).toBeUndefined();
    expect(await driver.get('a', { offset: 0, length: 1 })).toBeUndefined();
    expect(await driver.head('a')).toBeUndefined();
    expect(await driver.head('a/b/c')).toBeUndefined();
  },
  async 'ranges give the bytes that exist'(driver, expect) {
    await driver.create('r', text('0123456789'));
    const range = async (offset: number, length: number): Promise<string | undefined> =>
      (await driver.get('r', { offset, length }))?.toString();
    expect(await range(0, 10)).toBe('0123456789');
    expect(await range(3, 4)).toBe('3456');
    expect(await range(9, 1)).toBe('9');
    expect(await range(8, 100)).toBe('89');
    expect(await range(10, 1)).toBe('');
    expect(await range(100, 5)).toBe('');
    expect(await range(4, 0)).toBe('');
  },
  async 'any bytes and lengths come back'(driver, expect) {
    for (const length of [0, 1, 255, 65_536, 1_048_577]) {
      const bytes = Buffer.from(Uint8Array.from({ length }, (_, at) => (at * 31) % 256));
      expect(await driver.create(`n/${length}`, bytes)).toBe(true);
      expect((await driver.get(`n/${length}`))?.equals(bytes)).toBe(true);
      expect(await driver.head(`n/${length}`)).toEqual({ length });
    }
  },
  async 'what is stored does not share the buffer of a caller'(driver, expect) {
    const given = text('abc');
    await driver.create('own', given);
    given[0] = 0;
    (await driver.get('own'))?.fill(0);
    expect((await driver.get('own'))?.toString()).toBe('abc');
  },
};

const writing: Record<string, Case> = {
  async 'a create does not replace'(driver, expect) {
    expect(await driver.create('c', text('one'))).toBe(true);
    expect(await driver.create('c', text('two'))).toBe(false);
    expect(await driver.create('c', text('one'))).toBe(false);
    expect((await driver.get('c'))?.toString()).toBe('one');
  },
  async 'a race of creates has one winner'(driver, expect) {
    for (let round = 0; round < 20; round++) {
      const outcomes = await Promise.all(
        Array.from({ length: 16 }, (_, writer) => driver.create(`race/${round}`, text(`writer ${writer}`))),
      );
      expect(outcomes.filter(Boolean)).toHaveLength(1);
      expect((await driver.get(`race/${round}`))?.toString()).toBe(`writer ${outcomes.indexOf(true)}`);
    }
  },
  async 'a put makes and replaces'(driver, expect) {
    await driver.put('p/q', text('one'));
    await driver.put('p/q', text('three'));
    expect((await driver.get('p/q'))?.toString()).toBe('three');
    expect(await driver.head('p/q')).toEqual({ length: 5 });
    expect(await driver.create('p/q', text('four'))).toBe(false);
  },
  async 'a removed object can be made again'(driver, expect) {
    await driver.create('d/e/f', text('one'));
    await driver.remove('d/e/f');
    expect(await driver.get('d/e/f')).toBeUndefined();
    expect(await all(driver.list('d/'))).toEqual([]);
    expect(await driver.create('d/e/f', text('two'))).toBe(true);
    expect((await driver.get('d/e/f'))?.toString()).toBe('two');
  },
  async 'creates and removes of neighbours do not meet'(driver, expect) {
    const turn = async (at: number): Promise<boolean> => {
      const made = await driver.create(`busy/folder/${at}`, text(`${at}`));
      await driver.remove(`busy/folder/${at}`);
      return made;
    };
    for (let round = 0; round < 5; round++) expect(await Promise.all([1, 2, 3, 4, 5, 6].map(turn))).not.toContain(false);
  },
};

const listed = [
  'a-b',
  'a/1',
  'a/2/x',
  'a/2/y',
  'a/3',
  'a0',
  'b/é',
  'b/\u{ffee}',
  'b/\u{1f600}',
  'chains/0a/000000000009.x',
  'chains/0a/000000000010.x',
  'z',
];

async function fill(driver: StoreDriver): Promise<void> {
  for (const key of [...listed].reverse()) await driver.create(key, text(key));
}

const listing: Record<string, Case> = {
  async 'a listing is complete and ordered by bytes'(driver, expect) {
    await fill(driver);
    expect(await all(driver.list(''))).toEqual(listed);
    for await (const object of driver.list('')) expect(object.length).toBe(Buffer.byteLength(object.key));
  },
  async 'a prefix may end anywhere'(driver, expect) {
    await fill(driver);
    for (const prefix of ['a', 'a/', 'a/2', 'a/2/', 'a/2/x', 'chains/0', 'chains/0a/00000000001', 'y', 'a/2/x/']) {
      expect(await all(driver.list(prefix))).toEqual(listed.filter((key) => key.startsWith(prefix)));
    }
  },
  async 'a listing goes on behind any text'(driver, expect) {
    await fill(driver);
    for (const after of [...listed, 'a', 'a/', 'a/2', 'a/20', 'a/2/', 'a0', 'chains/0a0', 'chains/0a/~', '~']) {
      const rest = listed.filter((key) => Buffer.compare(text(key), text(after)) > 0);
      expect(await all(driver.list('', after))).toEqual(rest);
      expect(await all(driver.list('a/', after))).toEqual(rest.filter((key) => key.startsWith('a/')));
    }
  },
  async 'a listing may be left early'(driver, expect) {
    await fill(driver);
    for await (const object of driver.list('')) {
      expect(object.key).toBe('a-b');
      break;
    }
  },
  async 'errors of the code itself are permanent'(driver, expect) {
    expect(driver.classify(new TypeError('x is not a function'))).toBe('permanent');
    expect(driver.classify(new BlockhubError('STORE_KEY_INVALID', 'x'))).toBe('permanent');
  },
};

/** Runs all cases on new drivers. `release` undoes what `open` made. It needs Jest's globals. */
export function storeConformance(
  { describe, expect, test }: Jest,
  name: string,
  open: () => Promise<{ driver: StoreDriver; release?: () => Promise<void> }>,
  { skip = {} }: ConformanceOptions = {},
): void {
  const cases: Record<string, Case> = { ...reading, ...writing, ...listing };
  describe(`${name} does what every store driver must`, () => {
    for (const unknown of Object.keys(skip).filter((left) => !(left in cases))) {
      test(`skip list: ${unknown}`, () => expect(Object.keys(cases)).toContain(unknown));
    }
    for (const [title, run] of Object.entries(cases)) {
      const reason = skip[title];
      if (reason !== undefined) {
        test.skip(`${title} (left out: ${reason})`, () => undefined);
        continue;
      }
      test(title, async () => {
        const { driver, release } = await open();
        try {
          await run(driver, expect);
        } finally {
          await driver.close();
          await release?.();
        }
      });
    }
  });
}
