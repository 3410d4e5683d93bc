import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { findMutation, mutations } from './mutations.ts';

const MOST_SEEDS = 10;

test.each(mutations)('the source still has the line where a defect goes: $name, $file', ({ file, find }) => {
  expect(readFileSync(join(import.meta.dirname, '../..', file), 'utf8').split(find).length).toBe(2);
});

test.each(mutations.filter(({ quick }) => quick))(
  'the simulation finds a defect: $name',
  async (mutation) => {
    expect(await findMutation(mutation, MOST_SEEDS)).toMatch(/^seed /);
  },
  300_000,
);
