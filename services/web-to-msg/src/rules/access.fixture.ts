import type { CaptureSettings } from '../settings.ts';
import { accessRule } from './access.ts';
import { headOf, ruleOf, verdictOf } from './rule.fixture.ts';
import type { Head } from './rule.ts';

export type AccessTest = Awaited<ReturnType<typeof open>>;
export const open = (given: Partial<CaptureSettings>) => ruleOf(accessRule, given);
export const ask = (rule: AccessTest, headers: Head['headers'], chain = 'default') =>
  verdictOf(() => rule.head?.(headOf(headers, { chain })));
export const subjectOf = async (rule: AccessTest, headers: Head['headers']) => rule.head?.(headOf(headers));
