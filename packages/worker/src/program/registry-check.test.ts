import { VirtualClock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import { MemoryRegistry } from '@blockhub/registry';
import { createHealth, createMetrics } from '@blockhub/telemetry';
import { expect, test } from '@jest/globals';
import { watchRegistry } from './registry-check.ts';

type Code = 'REGISTRY_DENIED' | 'REGISTRY_UNAVAILABLE' | undefined;
const failureOf = (code: Code): Error | undefined => code && new BlockhubError(code, 'the registry says no', { fix: 'Give it rights.' });

function watched(relied: boolean, first?: Code) {
  const clock = new VirtualClock();
  const registry = new MemoryRegistry();
  const health = createHealth();
  const metrics = createMetrics();
  let failure = failureOf(first);
  registry.check = async () => {
    if (failure) throw failure;
  };
  const end = watchRegistry({ registry, clock, health, metrics, relied });
  return {
    clock,
    end,
    shown: () => health.report().checks.registry,
    works: () => metrics.gauge('blockhub_registry_works', '').value,
    fail: (code: Code) => {
      failure = failureOf(code);
    },
  };
}

test('a registry that requests rely on decides whether the process is ready, and the fault is named with what to do', async () => {
  const { clock, shown, works, fail, end } = watched(true);
  expect(shown()).toEqual({ ok: false, detail: 'not yet' });
  await clock.run(() => shown()?.ok === true, 1_000);
  expect(works()).toBe(1);
  for (const [code, ok, meanwhile] of [
    ['REGISTRY_DENIED', false, ''],
    ['REGISTRY_UNAVAILABLE', true, 'requests that name their event get 503 meanwhile: '],
  ] as const) {
    fail(code);
    await clock.run(() => works() === 0, 20_000);
    expect(shown()).toEqual({ ok, detail: `${meanwhile}${code}: the registry says no. Give it rights.` });
    fail(undefined);
    await clock.run(() => works() === 1, 20_000);
    expect(shown()).toEqual({ ok: true });
  }
  end();
});

test('a registry that requests rely on, and that has never answered, keeps the process from being ready', async () => {
  const { clock, shown, end } = watched(true, 'REGISTRY_UNAVAILABLE');
  await clock.run(() => shown()?.detail !== 'not yet', 20_000);
  expect(shown()).toEqual({ ok: false, detail: 'REGISTRY_UNAVAILABLE: the registry says no. Give it rights.' });
  end();
});

test('one that requests can do without shows its fault, and the process is ready', async () => {
  const { clock, shown, works, fail, end } = watched(false);
  fail('REGISTRY_DENIED');
  await clock.run(() => shown()?.detail !== undefined, 20_000);
  expect([shown(), works()]).toEqual([
    { ok: true, detail: 'work goes on without it: REGISTRY_DENIED: the registry says no. Give it rights.' },
    0,
  ]);
  end();
  await clock.run(() => false, 60_000);
});
