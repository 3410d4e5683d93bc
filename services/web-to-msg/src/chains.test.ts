import { VirtualClock } from '@blockhub/clock';
import { MemoryRegistry } from '@blockhub/registry';
import { MemoryStore, Store } from '@blockhub/store';
import { createChain } from '@blockhub/writer';
import { expect, test } from '@jest/globals';
import { Chains } from './chains.ts';

test.each([0, -3_600_000])('what does not exist is remembered for 250 ms, also when the clock is set by %i ms', async (ms) => {
  const clock = new VirtualClock();
  const store = new Store(new MemoryStore({ clock }).driver(), { clock });
  const chains = new Chains(new MemoryRegistry(), store, clock);
  const missing = async (): Promise<boolean> => {
    const found = chains.get('late').then(
      () => true,
      () => false,
    );
    await clock.advance(0);
    return !(await found);
  };
  expect(await missing()).toBe(true);
  await createChain(store, { name: 'late', now: clock.now(), random: Math.random });
  clock.step(ms);
  await clock.advance(249);
  expect(await missing()).toBe(true);
  await clock.advance(1);
  expect(await missing()).toBe(false);
});
