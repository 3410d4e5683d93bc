import { eventTime, newEvent } from '@blockhub/chain';
import { VirtualClock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import { MemoryRegistry } from '@blockhub/registry';
import { defaults } from '@blockhub/settings';
import { openStore } from '@blockhub/store';
import { createHealth, createMetrics, silentLogger } from '@blockhub/telemetry';
import { createChain } from '@blockhub/writer';
import { describe, expect, test } from '@jest/globals';
import { type CaptureContext, settings } from '../settings.ts';
import type { SpoolDisk } from '../spool/disk.ts';
import { MemoryDisk } from '../spool/memory-disk.ts';
import { Appender } from './appender.ts';
import { idempotencyKeyOf } from './idempotency.ts';

const WINDOW_MS = 60_000;
const NAMES = ['idempotency-key', 'webhook-id', 'ce-id'];

/** Replicas of capture on one registry, and what they publish. */
async function open() {
  const clock = new VirtualClock();
  const store = await openStore('memory:', { clock });
  for (const name of ['default', 'other']) await createChain(store, { name, now: clock.now(), random: Math.random });
  const registry = new MemoryRegistry();
  const published: string[] = [];
  /** What the broker does with the next messages. */
  const broker = { publish: async (messages: readonly { id: string }[]) => void published.push(...messages.map(({ id }) => id)) };
  const context = {
    settings: defaults(settings, { idempotencyHeaders: NAMES, idempotencyWindow: WINDOW_MS, confirmTimeout: 100 }),
    clock,
    store,
    registry,
    metrics: createMetrics(),
    ...{ health: createHealth(), log: silentLogger, random: Math.random },
    broker: { publish: (messages: readonly { id: string }[]) => broker.publish(messages), onState: () => () => {} },
    newEvent: () => newEvent(clock.now(), Buffer.from(Array.from({ length: 10 }, () => Math.random() * 256))),
  } as unknown as CaptureContext;
  const replica = (disk?: SpoolDisk) => {
    const opening = Appender.open({ ...context, metrics: createMetrics() }, disk);
    return async (key: string | undefined, body = 'x', more: object = {}) => {
      const headers = key === undefined ? {} : { 'idempotency-key': key };
      const client = { ip: '192.0.2.1', port: 1024, tls: false };
      const appender = await opening;
      const { receipt } = await appender.append({
        chain: 'default',
        method: 'POST',
        url: '/',
        rawHeaders: [],
        headers,
        client,
        body: Buffer.from(body),
        ...more,
      });
      return receipt;
    };
  };
  return { clock, registry, broker, published, replica };
}

describe('a request that names its event', () => {
  test('gets the first receipt when it comes again, to whichever replica, and adds nothing', async () => {
    const { clock, published, replica } = await open();
    const [one, two] = [replica(), replica()];
    const first = await one('a');
    await clock.advance(5000);
    expect([await one('a'), await two('a')]).toEqual([first, first]);
    expect(published).toHaveLength(2);
    expect(Date.parse(first.receivedAt)).toBe(eventTime(first.event));
  });

  test('is one event when it comes many times at once, to all replicas', async () => {
    const { published, replica } = await open();
    const replicas = [replica(), replica(), replica()];
    const receipts = await Promise.all(Array.from({ length: 30 }, (_, n) => replicas[n % 3]?.('a')));
    expect(new Set(receipts.map((receipt) => receipt?.event)).size).toBe(1);
    // Body and request document, under the same ids each time: the builder takes each id once.
    expect(new Set(published).size).toBe(2);
  });

  test('is the same event again after a crash between claim and publish, or when the outcome of the publish is unknown', async () => {
    const { clock, broker, published, replica } = await open();
    const lost: string[] = [];
    const { publish } = broker;
    broker.publish = async (messages) => {
      lost.push(...messages.map(({ id }) => id));
      throw new BlockhubError('BROKER_UNAVAILABLE', 'gone');
    };
    await expect(replica()('a')).rejects.toMatchObject({ code: 'BROKER_UNAVAILABLE' });
    broker.publish = (messages) => {
      lost.push(...messages.map(({ id }) => id));
      return new Promise(() => {});
    };
    const waiting = replica()('a').catch(({ code }: BlockhubError) => code);
    await clock.advance(100);
    expect(await waiting).toBe('CAPTURE_UNCONFIRMED');
    broker.publish = publish;
    const receipt = await replica()('a');
    expect(published).toEqual(lost.slice(0, 2));
    expect(lost.slice(2)).toEqual(published);
    expect(receipt.event).toBe(published[0]);
  });

  test('is published again by any instance, as long as it is on one disk only', async () => {
    const { clock, broker, published, replica } = await open();
    const { publish } = broker;
    broker.publish = async () => {
      throw new BlockhubError('BROKER_UNAVAILABLE', 'gone');
    };
    const spooled = await replica(new MemoryDisk().open(clock))('a');
    broker.publish = publish;
    expect(await replica()('a')).toEqual(spooled);
    expect(published).toContain(spooled.event);
  });

  test('with another body is refused, by whichever replica, and names when the first came', async () => {
    const { published, replica } = await open();
    const first = await replica()('a', 'x');
    await expect(replica()('a', 'y')).rejects.toMatchObject({
      code: 'IDEMPOTENCY_KEY_REUSED',
      status: 422,
      message: expect.stringContaining(first.receivedAt),
    });
    expect(published).toHaveLength(2);
  });

  test('of racing bodies one is taken, all others are refused', async () => {
    const { published, replica } = await open();
    const replicas = [replica(), replica()];
    const results = await Promise.allSettled(Array.from({ length: 10 }, (_, n) => replicas[n % 2]?.('a', `body ${n}`)));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(published).toHaveLength(2);
  });

  test('is another event after the window, on another chain, of another sender, and after the registry was wiped', async () => {
    const { clock, registry, replica } = await open();
    const append = replica();
    const events = [await append('a'), await append('a', 'x', { chain: 'other' }), await append('a', 'x', { found: { subject: 'key:1' } })];
    await clock.advance(WINDOW_MS);
    events.push(await append('a'));
    await registry.wipe();
    events.push(await append('a'));
    expect(new Set(events.map(({ event }) => event)).size).toBe(5);
  });

  test('is refused while it is unknown whether it came before', async () => {
    const { clock, registry, published, replica } = await open();
    registry.claim = () => Promise.reject(new BlockhubError('REGISTRY_UNAVAILABLE', 'gone'));
    await expect(replica()('a')).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE', status: 503 });
    registry.claim = () => new Promise(() => {});
    const waiting = replica()('a').catch(({ code }: BlockhubError) => code);
    await clock.advance(100);
    expect(await waiting).toBe('CAPTURE_UNCONFIRMED');
    expect(published).toEqual([]);
    expect(await replica()(undefined)).toMatchObject({ length: 1 });
  });

  test('is answered though the note that it was confirmed is lost', async () => {
    const { registry, published, replica } = await open();
    registry.replaceClaim = () => Promise.reject(new BlockhubError('REGISTRY_UNAVAILABLE', 'gone'));
    const [first, second] = [await replica()('a'), await replica()('a')];
    expect(second).toEqual(first);
    expect(new Set(published).size).toBe(2);
  });
});

describe('the name of an event', () => {
  const nameOf = (headers: Record<string, string | string[]>, more: object = {}, names = NAMES) =>
    idempotencyKeyOf(names, { headers, chain: 'c', ...more });

  test.each<[string, boolean, unknown, unknown]>([
    ['another value', false, nameOf({ 'webhook-id': 'a' }), nameOf({ 'webhook-id': 'b' })],
    ['another case of the value', false, nameOf({ 'webhook-id': 'a' }), nameOf({ 'webhook-id': 'A' })],
    ['another chain', false, nameOf({ 'webhook-id': 'a' }), nameOf({ 'webhook-id': 'a' }, { chain: 'd' })],
    ['another sender', false, nameOf({ 'webhook-id': 'a' }), nameOf({ 'webhook-id': 'a' }, { subject: 's' })],
    ['chain and sender that make one text', false, nameOf({ 'ce-id': 'a' }, { subject: 'd' }), nameOf({ 'ce-id': 'a' }, { chain: 'cd' })],
    ['another header', false, nameOf({ 'webhook-id': 'a' }), nameOf({ 'idempotency-key': 'a' })],
    ['another CloudEvents source', false, nameOf({ 'ce-id': 'a', 'ce-source': 'x' }), nameOf({ 'ce-id': 'a', 'ce-source': 'y' })],
    ['a source that is not asked for', true, nameOf({ 'webhook-id': 'a', 'ce-source': 'x' }), nameOf({ 'webhook-id': 'a' })],
    ['the first of the settings counts', true, nameOf({ 'webhook-id': 'a', 'ce-id': 'x' }), nameOf({ 'webhook-id': 'a', 'ce-id': 'y' })],
    ['names in capitals', true, nameOf({ 'webhook-id': 'a' }), nameOf({ 'webhook-id': 'a' }, {}, ['Webhook-Id'])],
    ['unicode, as the wire has it', false, nameOf({ 'webhook-id': 'Ã©' }), nameOf({ 'webhook-id': 'e' })],
  ])('%s: the same is %s', (_name, same, one, other) => {
    expect(one).toMatch(/^[0-9a-f]{64}$/);
    expect(one === other).toBe(same);
  });

  test('is none without one of the headers, or where the settings name none', () => {
    expect([nameOf({}), nameOf({ 'x-id': 'a' }), nameOf({ 'webhook-id': 'a' }, {}, [])]).toEqual([undefined, undefined, undefined]);
  });

  test.each<[string, Record<string, string>, Record<string, string>]>([
    ['an empty header names nothing', { 'webhook-id': '' }, {}],
    ['nor does one of blanks', { 'webhook-id': ' \t' }, {}],
    ['an empty header beside a good one', { 'webhook-id': '', 'ce-id': 'a' }, { 'ce-id': 'a' }],
    ['a good one beside an empty header', { 'webhook-id': 'a', 'ce-id': '' }, { 'webhook-id': 'a' }],
    ['an endless one beside a good one', { 'webhook-id': 'a', 'ce-id': 'x'.repeat(9000) }, { 'webhook-id': 'a' }],
  ])('%s', (_name, headers, same) => {
    expect(nameOf(headers)).toBe(nameOf(same));
  });

  test('may be of any length, and each character counts', () => {
    expect(nameOf({ 'webhook-id': 'x'.repeat(9000) })).toMatch(/^[0-9a-f]{64}$/);
    expect(nameOf({ 'webhook-id': 'x'.repeat(9000) })).not.toBe(nameOf({ 'webhook-id': 'x'.repeat(9001) }));
  });
});
