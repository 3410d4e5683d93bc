import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { mutations } from './mutations.ts';

const edits = mutations.flatMap(({ name, edits }) => edits.map((edit) => ({ name, ...edit })));

test.each(edits)('the source still has the line that breaks a promise: $name, $file', ({ file, find }) => {
  expect(readFileSync(join(import.meta.dirname, '../..', file), 'utf8').split(find).length).toBe(2);
});
