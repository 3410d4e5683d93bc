import { readFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { checkBlock } from './check.ts';

test('the example in the README is a chain, and the ids said there are its own', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  const [root, link] = [...readme.matchAll(/```json\n([^`]*)```/g)].map(([, object = '']) => Buffer.from(object));
  const rootId = /([0-9a-f]{64}): `prev`/.exec(readme)?.[1] as string;
  const linkId = /([0-9a-f]{64}): its id/.exec(readme)?.[1] as string;
  expect(checkBlock(root as Buffer, { id: rootId, chain: rootId, height: 0 }).faults).toEqual([]);
  expect(checkBlock(link as Buffer, { id: linkId, chain: rootId, height: 1, prev: rootId }).faults).toEqual([]);
});
