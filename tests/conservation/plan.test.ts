import { expect, test } from '@jest/globals';
import { drawPlan, faultKinds, type Parties } from './plan.ts';

const parties: Parties = {
  processes: ['builder-0', 'builder-1', 'web-to-msg-0'],
  clocks: ['web-to-msg-0'],
  services: ['builder', 'web-to-msg'],
  links: ['builder-0>broker', 'builder-0>store', 'sender>web-to-msg-0'],
  servers: ['broker', 'store', 'registry'],
};
const options = { faults: 200, everyMs: 1000 };

test('a plan follows from its seed', () => {
  expect(drawPlan(7, parties, options)).toEqual(drawPlan(7, parties, options));
  expect(drawPlan(7, parties, options)).not.toEqual(drawPlan(8, parties, options));
});

test('every kind occurs, in the order of time, with a target that it is for', () => {
  const plan = drawPlan(1, parties, { ...options, faults: faultKinds.length });
  expect(new Set(plan.map(({ kind }) => kind))).toEqual(new Set(faultKinds));
  const times = plan.map(({ atMs }) => atMs);
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  for (const { kind, target } of plan) if (kind === 'kill') expect(parties.processes).toContain(target);
});

test('servers that cannot be stopped are left alone, and a plan may be narrowed', () => {
  const shared = drawPlan(1, { ...parties, servers: [] }, options);
  expect(shared.filter(({ kind }) => kind === 'restart' || kind === 'down')).toEqual([]);
  const narrow = drawPlan(1, parties, { ...options, only: ['kill', 'cut'], on: /^builder/ });
  expect(new Set(narrow.map(({ kind }) => kind))).toEqual(new Set(['kill', 'cut']));
  expect(narrow.every(({ target }) => target.startsWith('builder'))).toBe(true);
});
