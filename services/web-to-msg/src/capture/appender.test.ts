import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newEvent } from '@blockhub/chain';
import { VirtualClock } from '@blockhub/clock';
import { MemoryRegistry } from '@blockhub/registry';
import { defaults } from '@blockhub/settings';
import { MemoryStore, Store } from '@blockhub/store';
import { createMetrics } from '@blockhub/telemetry';
import { createChain } from '@blockhub/writer';
import { expect, test } from '@jest/globals';
import { type CaptureContext, settings } from '../settings.ts';
import { openFolder } from '../spool/disk.ts';
import { Appender } from './appender.ts';

test.each([
  [59, 'CAPTURE_UNCONFIRMED', 100],
  [33, 201, 99],
])('store and broker share the time of a request: %i ms each', async (eachMs, answer, afterMs) => {
  const clock = new VirtualClock();
  const store = new Store(new MemoryStore({ clock }).driver(), { clock });
  await createChain(store, { name: 'plain', settings: { requests: false }, now: clock.now(), random: Math.random });
  const slowly = async (): Promise<void> => clock.sleep(eachMs);
  const [head, keep, registry] = [store.head.bind(store), store.keep.bind(store), new MemoryRegistry()];
  store.head = (...given) => slowly().then(() => head(...given));
  store.keep = (...given) => slowly().then(() => keep(...given));
  const appender = await Appender.open({
    settings: defaults(settings, { messageLimit: 0, confirmTimeout: 100 }),
    clock,
    store,
    metrics: createMetrics(),
    registry,
    broker: { publish: slowly },
    newEvent: () => newEvent(clock.now(), Buffer.alloc(10)),
  } as unknown as CaptureContext);
  const client = { ip: '192.0.2.1', port: 1024, tls: false };
  const request = { chain: 'plain', method: 'POST', url: '/', rawHeaders: [], headers: {}, client, body: Buffer.from('x') };
  const begun = clock.ticks();
  const ended = appender.append(request).then(
    () => [201, clock.ticks() - begun],
    ({ code }) => [code, clock.ticks() - begun],
  );
  await clock.advance(1000);
  expect(await ended).toEqual([answer, afterMs]);
});

test('if the rules refuse the settings, no spool stays open, which would keep the process running', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'blockhub-appender-'));
  const context = { settings: defaults(settings, { spool: folder, allowIps: ['nowhere'] }), metrics: createMetrics() };
  await expect(Appender.open(context as unknown as CaptureContext)).rejects.toMatchObject({ code: 'SETTINGS_INVALID' });
  (await openFolder(folder)).release();
  await rm(folder, { recursive: true });
});
