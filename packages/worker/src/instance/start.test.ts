import { getEventListeners } from 'node:events';
import { MemoryBroker } from '@blockhub/broker';
import { VirtualClock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import { MemoryRegistry } from '@blockhub/registry';
import { setting } from '@blockhub/settings';
import { MemoryStore, Store } from '@blockhub/store';
import { createHealth, createMetrics } from '@blockhub/telemetry';
import { describe, expect, test } from '@jest/globals';
import { done } from '../outcome.ts';
import { inOut, keepLog, MINUTE, SECOND, scripted } from '../testing/fixtures.ts';
import { testWorker } from '../testing/test-worker.ts';
import { defineWorker, type Worker } from '../types.ts';
import { startWorker } from './instance.ts';
import type { StartOptions } from './running-worker.ts';

const unavailable = (): BlockhubError => new BlockhubError('BROKER_UNAVAILABLE', 'away');

function parts<const Over extends Partial<StartOptions>>(over = {} as Over) {
  const clock = new VirtualClock();
  const broker = new MemoryBroker({ clock }).connect();
  const log = keepLog();
  const health = createHealth();
  const made = { settings: {}, broker, clock, random: () => 0.5, log, health, metrics: createMetrics() };
  return Object.assign(made, over);
}

async function outcomeOf<T>(clock: VirtualClock, promise: Promise<T>, untilMs = MINUTE): Promise<T> {
  let settled = false;
  promise.then(
    () => (settled = true),
    () => (settled = true),
  );
  await clock.run(() => settled, untilMs);
  if (!settled) throw new Error('not settled');
  return promise;
}

const plain = (more: Partial<Worker> = {}) =>
  inOut({ handle: () => undefined, declares: () => [{ name: 'in', kind: 'durable' }], ...more });

describe('start', () => {
  test('goes through the checklist in order, logged and seen in health', async () => {
    const given = parts();
    const running = await startWorker(plain({ setup: () => 1, serve: async () => ({ close: async () => {} }) }), given);
    expect(running.state).toBe('running');
    const steps = given.log.lines.filter(({ text }) => text === 'start-up step done').map(({ step }) => step);
    expect(steps).toEqual(['queues', 'setup', 'takes', 'serve']);
    expect(given.health.report()).toMatchObject({
      ready: true,
      checks: { broker: { ok: true, detail: 'connected' }, 'sample: takes': { ok: true } },
    });
    await running.stop({ graceMs: 0 });
  });

  test('declares the queues of the worker and the dead letters', async () => {
    const given = parts();
    const running = await startWorker(plain(), given);
    expect((await given.broker.queues()).map(({ name }) => name)).toEqual(['dead-letter', 'in']);
    await running.stop({ graceMs: 0 });
  });

  test('waits for a broker that is away', async () => {
    const clock = new VirtualClock();
    const plan = scripted({ declare: ['fail-before', 'fail-after'], consume: ['fail-before', 'fail-after'] });
    const given = parts({ clock, broker: new MemoryBroker({ clock }).connect({ plan }) });
    const { signal } = new AbortController();
    const starting = startWorker(plain(), { ...given, signal });
    await VirtualClock.settle();
    expect(given.health.report().checks['sample: queues']).toMatchObject({
      ok: false,
      detail: expect.stringMatching(/^BROKER_UNAVAILABLE: ./),
    });
    const running = await outcomeOf(clock, starting);
    expect(running.state).toBe('running');
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    expect((await given.broker.queues()).find(({ name }) => name === 'in')?.consumers).toBe(1);
    await running.stop({ graceMs: 0 });
  });

  test('says what it waits for, and what to do, without secrets', async () => {
    const given = parts();
    const driver = new MemoryStore({ clock: given.clock }).driver();
    const refused = { ...driver, create: () => Promise.reject(new Error('403 at //me:hunter2@host')), classify: () => 'denied' as const };
    const store = new Store(refused, { clock: given.clock, url: 's3://host/bucket' });
    const giveUp = new AbortController();
    const starting = startWorker(plain({ needs: ['store'] }), { ...given, store, signal: giveUp.signal });
    await given.clock.advance(SECOND);
    const [line] = given.log.lines.filter(({ text }) => text === 'start-up step waits');
    const reason = expect.stringMatching(/ at s3:\/\/host\/bucket: access refused: 403 at \/\/\[hidden\]@host$/);
    expect(line).toMatchObject({ level: 'warn', step: 'store', code: 'STORE_DENIED', reason, fix: expect.stringContaining('credentials') });
    expect(given.health.report().checks['sample: store']?.detail).toMatch(/^STORE_DENIED: .* access refused/);
    expect(JSON.stringify(given.log.lines)).not.toContain('hunter2');
    giveUp.abort(new Error('stopped'));
    await expect(outcomeOf(given.clock, starting)).rejects.toThrow('stopped');
  });

  test('waits for what setup needs, and ends with other errors of it after releasing everything', async () => {
    let tries = 0;
    const stops: string[] = [];
    const given = parts();
    const worker = plain({
      setup: () => {
        if (++tries < 4) throw new BlockhubError('STORE_UNAVAILABLE', 'away');
        throw new Error('bad');
      },
      stop: () => void stops.push('stop'),
    });
    await expect(outcomeOf(given.clock, startWorker(worker, given))).rejects.toThrow('bad');
    expect(tries).toBe(4);
    expect(stops).toEqual([]);
    expect(given.log.lines.filter(({ text }) => text === 'state').at(-1)).toMatchObject({ state: 'failed' });
    expect(given.health.ready()).toBe(false);
  });

  test('what was set up is stopped when a later step fails, and nothing is taken any more', async () => {
    const stops: unknown[] = [];
    const given = parts();
    const worker = plain({
      setup: () => 'made',
      serve: () => Promise.reject(new BlockhubError('ADDRESS_IN_USE', 'taken')),
      stop: ({ state }) => void stops.push(state),
    });
    await expect(startWorker(worker, given)).rejects.toMatchObject({ code: 'ADDRESS_IN_USE' });
    expect(stops).toEqual(['made']);
    expect((await given.broker.queues()).find(({ name }) => name === 'in')?.consumers).toBe(0);
  });

  test('can be given up', async () => {
    const given = parts();
    given.broker.declare = () => Promise.reject(unavailable());
    const giveUp = new AbortController();
    const starting = startWorker(plain(), { ...given, signal: giveUp.signal });
    await given.clock.advance(SECOND);
    giveUp.abort(new Error('stopped'));
    await expect(starting).rejects.toThrow('stopped');
    expect(given.log.lines.filter(({ text }) => text === 'state').at(-1)).toMatchObject({ state: 'stopped' });
  });

  test('can be given up while servers are silent', async () => {
    const never = (): Promise<never> => new Promise(() => undefined);
    const silentStore = new Store({ ...new MemoryStore({ clock: parts().clock }).driver(), get: never, head: never, create: never });
    for (const silent of ['broker', 'store']) {
      const given = parts();
      if (silent === 'broker') given.broker.declare = never;
      const giveUp = new AbortController();
      const starting = startWorker(plain({ needs: ['store'] }), { ...given, store: silentStore, signal: giveUp.signal });
      await given.clock.advance(10 * SECOND);
      const step = silent === 'broker' ? 'queues' : 'store';
      const told = { level: 'warn', text: 'start-up step waits', step, reason: 'not done after 10 s' };
      expect(given.log.lines.at(-1)).toMatchObject(told);
      expect(given.health.report().checks[`sample: ${step}`]?.detail).toBe(told.reason);
      giveUp.abort(new Error('stopped'));
      await expect(starting).rejects.toThrow('stopped');
      await given.clock.advance(10 * SECOND);
      expect(given.log.lines.filter(({ text }) => text === told.text)).toHaveLength(1);
    }
  });

  test('refuses a store that does not enforce what chains rely on', async () => {
    const given = parts();
    const driver = new MemoryStore({ clock: given.clock }).driver();
    const create = driver.create.bind(driver);
    const unsafe = { ...driver, create: async (key: string, bytes: Uint8Array) => (await create(key, bytes)) || true };
    const store = new Store(unsafe, { clock: given.clock });
    const starting = startWorker(plain({ needs: ['store'] }), { ...given, store });
    await expect(outcomeOf(given.clock, starting)).rejects.toMatchObject({ code: 'STORE_UNSAFE' });
    expect((await given.broker.queues()).find(({ name }) => name === 'in')?.consumers).toBe(0);
  });

  test('probes a store once, and not if the caller has done so', async () => {
    const given = parts();
    let created = 0;
    const driver = new MemoryStore({ clock: given.clock }).driver({ behaviour: (operation) => void (operation === 'create' && created++) });
    const store = new Store(driver, { clock: given.clock });
    const start = (storeIsSafe: boolean) =>
      outcomeOf(given.clock, startWorker(plain({ needs: ['store'] }), { ...given, store, storeIsSafe }));
    const trusting = await start(true);
    expect(created).toBe(0);
    const probing = await start(false);
    const once = created;
    expect(once).toBeGreaterThan(0);
    const again = await start(false);
    expect(created).toBe(once);
    for (const running of [trusting, probing, again]) await running.stop({ graceMs: 0 });
  });

  test('names what is missing', async () => {
    await expect(startWorker(plain({ needs: ['store'] }), parts())).rejects.toThrow('sample needs a store');
    await expect(startWorker(inOut({ handle: () => undefined, take: { batch: { max: 1, ttlMs: 1 } } }), parts())).rejects.toThrow(
      'must have handleBatch',
    );
    await expect(startWorker(plain({ setup: ({ registry }) => registry }), parts({ registry: new MemoryRegistry() }))).rejects.toThrow(
      "does not have 'registry' in its needs",
    );
    expect(() => defineWorker({ name: 'No Name', summary: '', settings: {}, needs: [] })).toThrow('must match');
    expect(() => defineWorker({ name: 'idle', summary: '', settings: {}, needs: [], takes: () => [] })).toThrow('must have a handler');
  });
});

test('settings, state, instance and event ids reach the handler, typed', async () => {
  const worker = defineWorker({
    name: 'typed',
    summary: 'Shows what reaches a handler.',
    settings: { greeting: setting.text({ text: 'What to say.', default: 'hello' }) },
    needs: ['store', 'registry'],
    takes: ({ greeting }, instance) => [{ queue: `${greeting}.${instance}` }],
    gives: () => ['out'],
    setup: ({ settings }) => ({ said: [settings.greeting] }),
    handle(message, { state, settings, newEvent, store, registry }) {
      state.said.push(message.body.toString());
      expect([typeof store.find, typeof registry.findChain]).toEqual(['function', 'function']);
      return done([{ queue: 'out', id: newEvent(), meta: { greeting: settings.greeting }, body: Buffer.from(state.said.join()) }]);
    },
  });
  await using sample = await testWorker(worker, { settings: { greeting: 'good-day' }, instance: 'one' });
  await sample.publish('good-day.one', { body: 'you' });
  await sample.run(SECOND);
  const [message] = await sample.queue('out');
  expect(message).toMatchObject({ meta: { greeting: 'good-day' } });
  expect(message?.body.toString()).toBe('good-day,you');
  expect(message?.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
