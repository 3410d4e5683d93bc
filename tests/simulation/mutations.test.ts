import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { mutations } from './mutations.ts';

test.each(mutations)('the source still has the line where a defect goes: $name, $file', ({ file, find }) => {
  expect(readFileSync(join(import.meta.dirname, '../..', file), 'utf8').split(find).length).toBe(2);
});
