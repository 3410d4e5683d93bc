import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newEvent, schemas } from '@blockhub/chain';
import { openStore } from '@blockhub/store';
import { append, createChain } from '@blockhub/writer';
import { expect, test } from '@jest/globals';
import { Ajv } from 'ajv';
import { blockhubHere, linesOf } from './blockhub.fixture.ts';

const kinds = ['Block', 'RootBlock', 'LinkBlock', 'TailBlock'] as const;
const compiled = kinds.map((kind) => [kind, new Ajv({ strict: true }).compile(schemas[kind])] as const);
const kindsOf = (line: unknown): string[] => compiled.filter(([, fits]) => fits(line)).map(([kind]) => kind);

test.each(['sha256', 'md5'] as const)('every line of a walk is of the schema of its kind (%s)', async (crypt) => {
  const data = await mkdtemp(join(tmpdir(), 'blockhub-lines-'));
  const store = await openStore(join(data, 'store'));
  const { id } = await createChain(store, { name: 'mine', crypt, now: 1_700_000_000_000, random: Math.random });
  const walk = async (...more: string[]): Promise<Record<string, unknown>[]> =>
    linesOf(await blockhubHere(['walk', 'mine', '--data', data, ...more]));
  expect((await walk()).map(kindsOf)).toEqual([['Block', 'RootBlock', 'TailBlock']]);

  // Meta of names that mean something on the block.
  const meta = { mime: 'text/plain', id: 7, next: true, title: 'ü' };
  for (const text of ['one', 'two'])
    await append(store, id, [{ bytes: Buffer.from(text), meta }, { bytes: Buffer.alloc(0) }], {
      newEvent: () => newEvent(1_800_000_000_000, randomBytes(10)),
    });
  const lines = await walk();
  expect(lines.map(kindsOf)).toEqual([
    ['Block', 'RootBlock'],
    ['Block', 'LinkBlock'],
    ['Block', 'TailBlock'],
  ]);
  // Nothing is printed of which the schema does not tell.
  const [, link] = schemas.Block.anyOf as readonly { properties: object }[];
  for (const line of lines) expect(Object.keys(line).toSorted()).toEqual(Object.keys(link?.properties ?? {}).toSorted());
  // The last line of a part still has its next.
  expect((await walk('--to', '1')).map(kindsOf)).toEqual([
    ['Block', 'RootBlock'],
    ['Block', 'LinkBlock'],
  ]);
  await store.close();
  await rm(data, { recursive: true });
});
