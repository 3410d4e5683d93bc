import { BlockhubError } from '@blockhub/errors';
import { type DeadReason, deadLetter } from '@blockhub/message';
import { createLogger } from '@blockhub/telemetry';
import { type TestWorker, testWorker } from '@blockhub/worker';
import { afterEach, describe, expect, test } from '@jest/globals';
import { worker } from './worker.ts';

let dead: TestWorker;
afterEach(() => dead.stop());

async function bury(
  code: string,
  {
    queue = 'ingress',
    meta = {},
    ...reason
  }: Partial<Omit<DeadReason, 'code' | 'now'>> & { queue?: string; meta?: Record<string, string | number> } = {},
): Promise<void> {
  const letter = deadLetter(
    { id: 'event', queue, meta: { chain: 'c', ...meta }, body: Buffer.from('body'), attempts: 3, firstAt: 1 },
    { code, message: 'why', now: 5, ...reason },
  );
  await dead.publish(letter.queue, letter);
  await dead.run(0);
}

/** What warns, in short. */
function keepLines() {
  const written: string[] = [];
  const log = createLogger({ name: 'dead-letter', level: 'warn', stream: { write: (line) => written.push(line) } });
  return { log, lines: (): unknown[] => written.map((line) => JSON.parse(line).msg) };
}

const kept = async (): Promise<unknown[]> => (await dead.queue('dead-letter.kept')).map(({ meta }) => meta['dead-code']);

describe('dead-letter', () => {
  test.each(['STORE_FULL', 'REGISTRY_UNAVAILABLE', 'BROKER_QUEUE_MISSING'])(
    '%s passes: handled again after a while, as it was',
    async (code) => {
      dead = await testWorker(worker, { queues: ['ingress'], settings: { delay: 1000 } });
      await bury(code);
      await dead.run(999);
      expect(await dead.queue('ingress')).toEqual([]);
      await dead.run(1);
      const [message] = await dead.queue('ingress');
      expect(message).toMatchObject({ id: 'event', meta: { chain: 'c', repairs: 1 }, attempts: 0 });
      expect(message?.body.toString()).toBe('body');
      expect(await kept()).toEqual([]);
    },
  );

  test('each repair waits longer than the one before; after the last one it is kept', async () => {
    dead = await testWorker(worker, { queues: ['ingress'], settings: { delay: 1000, repairs: 2 } });
    await bury('STORE_UNAVAILABLE', { meta: { repairs: 1 } });
    await dead.run(1999);
    expect(await dead.queue('ingress')).toEqual([]);
    await dead.run(1);
    expect((await dead.queue('ingress'))[0]?.meta).toEqual({ chain: 'c', repairs: 2 });
    await bury('STORE_UNAVAILABLE', { meta: { repairs: 2 } });
    expect(await kept()).toEqual(['STORE_UNAVAILABLE']);
  });

  test.each([
    ['STORE_UNAVAILABLE', true],
    ['ECONNRESET', true],
    ['INTERNAL', false],
    ['MESSAGE_INVALID', false],
    ['constructor', false],
    [undefined, false],
  ])('tried too often because of %j: handled again is %j', async (cause, again) => {
    dead = await testWorker(worker, { queues: ['ingress'], settings: { delay: 1000 } });
    await bury('ATTEMPTS_EXHAUSTED', { message: 'ECONNRESET: text is for people', ...(cause === undefined ? {} : { cause }) });
    await dead.run(1000);
    expect(await dead.queue('ingress')).toHaveLength(again ? 1 : 0);
    expect(await kept()).toHaveLength(again ? 0 : 1);
  });

  test.each(['OBJECT_HASH_MISMATCH', 'MESSAGE_INVALID', 'SOMETHING_ELSE', 'constructor'])('%s is kept whole', async (code) => {
    dead = await testWorker(worker, { queues: ['ingress'] });
    await bury(code);
    const [message] = await dead.queue('dead-letter.kept');
    expect(message).toMatchObject({ id: 'event', meta: { chain: 'c', 'dead-code': code, 'dead-queue': 'ingress', 'dead-attempts': 4 } });
    expect(message?.body.toString()).toBe('body');
  });

  test('what cannot be kept waits unchanged, and is logged and counted when it is kept', async () => {
    const { lines, log } = keepLines();
    dead = await testWorker(worker, { queues: ['ingress'], settings: { delay: 1000 }, log });
    const publish = dead.connection.publish.bind(dead.connection);
    dead.connection.publish = () => Promise.reject(new BlockhubError('BROKER_QUEUE_MISSING', 'no kept'));
    await bury('OBJECT_HASH_MISMATCH');
    expect(lines()).toEqual(['dead letter cannot be kept, trying again']);
    expect(await dead.metrics.text()).not.toContain('outcome="kept"');
    dead.connection.publish = publish;
    await dead.run(999);
    expect(await kept()).toEqual([]);
    await dead.run(1);
    const [message] = await dead.queue('dead-letter.kept');
    expect(message?.meta).toMatchObject({ 'dead-code': 'OBJECT_HASH_MISMATCH', 'dead-queue': 'ingress' });
    expect(lines().at(-1)).toBe('dead letter kept');
    expect(await dead.metrics.text()).toMatch(/outcome="kept".* 1$/m);
    expect(await dead.queue('dead-letter')).toEqual([]);
  });

  test('what is not a dead letter is kept too', async () => {
    dead = await testWorker(worker, { queues: ['ingress'] });
    await dead.publish('dead-letter', { id: 'odd', meta: { a: 1 }, body: 'x' });
    await dead.run(0);
    expect((await dead.queue('dead-letter.kept'))[0]).toMatchObject({ id: 'odd', meta: { a: 1 } });
  });

  test('a repair for a queue that is gone is tried as often as others, then kept, and goes round no more', async () => {
    dead = await testWorker(worker, { queues: ['ingress'], settings: { delay: 1000, repairs: 3 } });
    await bury('BROKER_QUEUE_MISSING', { queue: 'nowhere' });
    await dead.run(1000 + 2000 + 3999);
    expect(await kept()).toEqual([]);
    await dead.run(1);
    expect(await kept()).toEqual(['BROKER_QUEUE_MISSING']);
    expect(await dead.queue('dead-letter')).toEqual([]);
  });

  test('a repair finds the queue that was declared while it waited', async () => {
    dead = await testWorker(worker, { queues: ['ingress'], settings: { delay: 1000 } });
    await bury('BROKER_QUEUE_MISSING', { queue: 'late' });
    await dead.run(1500);
    await dead.broker.declare([{ name: 'late', kind: 'durable' }]);
    await dead.run(1500);
    expect((await dead.queue('late'))[0]).toMatchObject({ id: 'event', meta: { chain: 'c', repairs: 1 } });
    expect(await kept()).toEqual([]);
  });
});
