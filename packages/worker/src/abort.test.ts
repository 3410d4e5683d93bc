import { getEventListeners } from 'node:events';
import { expect, test } from '@jest/globals';
import { unlessAborted } from './abort.ts';

const never = new Promise<never>(() => undefined);

test('a signal that outlives what it could end keeps no listeners', async () => {
  const { signal } = new AbortController();
  const listeners = (): number => getEventListeners(signal, 'abort').length;
  const { promise, resolve } = Promise.withResolvers<string>();
  const waiting = unlessAborted(signal, promise);
  expect(listeners()).toBe(1);
  resolve('given');
  expect(await waiting).toBe('given');
  await expect(unlessAborted(signal, Promise.reject(new Error('failed')))).rejects.toThrow('failed');
  expect(listeners()).toBe(0);
});

test('an aborted signal ends the wait, and its reason is thrown', async () => {
  const stop = new AbortController();
  const waiting = unlessAborted(stop.signal, never);
  stop.abort(new Error('stopped'));
  await expect(waiting).rejects.toThrow('stopped');
  await expect(unlessAborted(stop.signal, never)).rejects.toThrow('stopped');
  expect(await unlessAborted(undefined, Promise.resolve('given'))).toBe('given');
});
