import { expect, test } from '@jest/globals';
import { wrongEnd } from './mesh.ts';

test.each([
  ['without a signal', 0, [], '0, unasked'],
  ['by a signal that the plan did not send', 'SIGABRT', [], 'SIGABRT, unasked'],
  ['that SIGTERM brought about, but not in order', 1, ['SIGTERM'], '1 after SIGTERM'],
  ['that SIGTERM brought about', 0, ['SIGTERM'], undefined],
  ['by SIGTERM before any code ran', 'SIGTERM', ['SIGTERM'], undefined],
  ['by SIGKILL', 'SIGKILL', ['SIGKILL'], undefined],
  ['at once, at the second SIGTERM', 130, ['SIGTERM', 'SIGTERM'], undefined],
  ['by SIGKILL while it stopped', 'SIGKILL', ['SIGTERM', 'SIGKILL'], undefined],
] as const)('an end %s', (_, end, asked, wrong) => {
  expect(wrongEnd(end, asked)).toBe(wrong);
});
