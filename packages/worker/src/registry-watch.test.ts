import { VirtualClock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import { MemoryRegistry } from '@blockhub/registry';
import { createHealth, createMetrics } from '@blockhub/telemetry';
import { expect, test } from '@jest/globals';
import { watchRegistry } from './registry-watch.ts';

function watched(relied: boolean) {
  const clock = new VirtualClock();
  const registry = new MemoryRegistry();
  const health = createHealth();
  const metrics = createMetrics();
  let failure: Error | undefined;
  registry.check = async () => {
    if (failure) throw failure;
  };
  const end = watchRegistry({ registry, clock, health, metrics, relied });
  return {
    clock,
    end,
    shown: () => health.report().checks.registry,
    works: () => metrics.gauge('blockhub_registry_works', '').value,
    fail: (code: 'REGISTRY_DENIED' | 'REGISTRY_UNAVAILABLE' | undefined) => {
      failure = code && new BlockhubError(code, 'the registry says no', { fix: 'Give it rights.' });
    },
  };
}

test('a registry that requests rely on decides whether the process is ready, and the fault is named with what to do', async () => {
  const { clock, shown, works, fail, end } = watched(true);
  expect(shown()).toEqual({ ok: false, detail: 'not yet' });
  await clock.run(() => shown()?.ok === true, 1_000);
  expect(works()).toBe(1);
  for (const code of ['REGISTRY_DENIED', 'REGISTRY_UNAVAILABLE'] as const) {
    fail(code);
    await clock.run(() => works() === 0, 20_000);
    expect(shown()).toEqual({ ok: false, detail: `${code}: the registry says no. Give it rights.` });
    fail(undefined);
    await clock.run(() => works() === 1, 20_000);
    expect(shown()).toEqual({ ok: true });
  }
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
