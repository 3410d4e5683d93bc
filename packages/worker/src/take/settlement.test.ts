import { BlockhubError } from '@blockhub/errors';
import { describe, expect, test } from '@jest/globals';
import { done, reject, retry } from '../outcome.ts';
import { deadLetters, depth, handling, ids, inOut, keepLog, MINUTE, out, SECOND, scripted } from '../testing/fixtures.ts';
import { testWorker } from '../testing/test-worker.ts';

const DAY = 24 * 60 * MINUTE;

describe('done', () => {
  test('messages are published, then the message is acked', async () => {
    await using sample = await handling((message) => done([out(`after-${message.id}`, message.body.toString())]));
    await sample.publish('in', { id: 'a', body: 'hello' });
    await sample.run(SECOND);
    expect((await sample.queue('out')).map(({ id, body }) => [id, body.toString()])).toEqual([['after-a', 'hello']]);
    expect(await depth(sample, 'in')).toBe(0);
  });

  test.each([
    ['nothing', () => undefined],
    ['a promise of nothing', async () => {}],
    ['done without messages', () => done()],
    ['a promise of done', async () => done([])],
  ])('%s acks', async (_, handle) => {
    await using sample = await handling(handle);
    await sample.publish('in', { id: 'a' }, { id: 'b' });
    await sample.run(SECOND);
    expect(await depth(sample, 'in')).toBe(0);
  });

  test('the confirm comes before the ack: a process that dies at the publish loses nothing', async () => {
    const sample = await handling(() => done([out('x')]), { plan: scripted({ publish: ['crash-before'] }) });
    await sample.publish('in', { id: 'a' });
    await sample.run(SECOND);
    expect(await ids(sample, 'out')).toEqual([]);
    expect(await ids(sample, 'in')).toEqual(['a']);
  });

  test('a publish of unknown fate goes again with the same ids, and is acked once', async () => {
    const handled: string[] = [];
    const handle = ({ id }: { id: string }) => {
      handled.push(id);
      return done([out(`x${handled.length}`), out(`y${handled.length}`)]);
    };
    await using sample = await handling(handle, { plan: scripted({ publish: ['fail-after', 'fail-before'] }) });
    await sample.publish('in', { id: 'a' });
    await sample.run(5 * SECOND);
    expect(handled).toEqual(['a']);
    expect(await ids(sample, 'out')).toEqual(['x1', 'y1', 'x1', 'y1']);
    expect(await depth(sample, 'in')).toBe(0);
    expect(sample.health.ready()).toBe(true);
  });

  test('a queue that is not there makes a dead letter', async () => {
    await using sample = await handling(() => done([{ ...out('x'), queue: 'nowhere' }]));
    await sample.publish('in', { id: 'a' });
    await sample.run(SECOND);
    expect(await deadLetters(sample)).toMatchObject([{ code: 'BROKER_QUEUE_MISSING', queue: 'in', original: { id: 'a' } }]);
  });

  test('a full queue is waited for', async () => {
    await using sample = await handling((message) => done([out(message.id)]), {
      queues: [{ name: 'out', kind: 'durable', maxMessages: 1 }],
    });
    await sample.publish('in', { id: 'a' }, { id: 'b' });
    await sample.run(MINUTE);
    const [first] = await sample.queue('out');
    expect(first?.id).toBe('a');
    expect(await depth(sample, 'in')).toBe(1);
    await sample.broker.take('out', [first?.seq ?? '']);
    await sample.run(MINUTE);
    expect(await ids(sample, 'out')).toEqual(['b']);
    expect(await depth(sample, 'in')).toBe(0);
  });

  test('the trace goes on to what is published, where that has none', async () => {
    await using sample = await handling(() => done([out('x'), { ...out('y'), meta: { traceparent: 'own' } }]));
    await sample.publish('in', { id: 'a', meta: { traceparent: 'theirs' } });
    await sample.run(SECOND);
    expect((await sample.queue('out')).map(({ meta }) => meta.traceparent)).toEqual(['theirs', 'own']);
  });

  test('of a batch only one message alone hands its trace on', async () => {
    const take = { batch: { max: 2, ttlMs: SECOND } };
    await using sample = await testWorker(inOut({ take, handleBatch: ([message]) => done([out(message?.id ?? '')]) }));
    const meta = { traceparent: 'theirs' };
    await sample.publish('in', { id: 'a', meta }, { id: 'b', meta }, { id: 'c', meta });
    await sample.run(2 * SECOND);
    expect((await sample.queue('out')).map((one) => [one.id, one.meta.traceparent])).toEqual([
      ['a', undefined],
      ['c', 'theirs'],
    ]);
  });
});

describe('retry', () => {
  test('the message comes again after the time, as often as it takes, and blocks no other', async () => {
    const seen: [string, number, number][] = [];
    await using sample = await handling(({ id, attempts }, { clock }) => {
      seen.push([id, attempts, clock.now()]);
      return id === 'slow' && attempts < 30 ? retry(10 * SECOND, 'not yet') : done();
    });
    const start = sample.clock.now();
    await sample.publish('in', { id: 'slow' }, { id: 'quick' });
    await sample.run(SECOND);
    expect(seen).toEqual([
      ['slow', 0, start],
      ['quick', 0, start],
    ]);
    await sample.run(10 * MINUTE);
    expect(seen.slice(2).map(([, attempts, at]) => [attempts, at - start])).toEqual(
      Array.from({ length: 30 }, (_, n) => [n + 1, (n + 1) * 10 * SECOND]),
    );
    expect(await depth(sample, 'in')).toBe(0);
  });

  test('a transient error is retried with growing waits of at most 30 s, without end', async () => {
    const tries: number[] = [];
    await using sample = await handling((_, { clock }) => {
      tries.push(clock.now());
      if (tries.length <= 60) throw new BlockhubError('CAPTURE_BUSY', 'busy');
    });
    await sample.publish('in', { id: 'a' });
    await sample.run(DAY);
    expect(tries).toHaveLength(61);
    const waits = tries.slice(1).map((at, n) => at - (tries[n] ?? 0));
    expect(waits[0]).toBeLessThanOrEqual(100);
    expect(Math.max(...waits)).toBeLessThanOrEqual(30 * SECOND);
    expect(waits[1]).toBeGreaterThan(waits[0] ?? 0);
    expect(await deadLetters(sample)).toEqual([]);
  });

  test.each([
    [
      'tries that failed for others',
      () => {
        throw new BlockhubError('STORE_UNAVAILABLE', 'away');
      },
    ],
    ['retries that were asked for', () => retry(SECOND, 'not yet')],
  ])('%s do not count when the message itself fails', async (_, wait) => {
    let tries = 0;
    await using sample = await handling(() => {
      if (++tries <= 40) return wait();
      if (tries <= 42) throw new Error('once in a while');
      return done();
    });
    await sample.publish('in', { id: 'a' });
    await sample.run(DAY);
    expect(tries).toBe(43);
    expect(await deadLetters(sample)).toEqual([]);
  });
});

describe('other errors', () => {
  test('are tried 20 times, later and later, then become a dead letter with the cause and no secret', async () => {
    const tries: number[] = [];
    const log = keepLog();
    await using sample = await handling(
      (_, { clock }) => {
        tries.push(clock.now());
        throw new TypeError('cannot open https://user:hunter2@host/?token=abc\n    at secret.ts:1');
      },
      { log },
    );
    await sample.publish('in', { id: 'a', meta: { chain: 'c' }, body: 'kept' });
    await sample.run(DAY);
    expect(tries).toHaveLength(20);
    const waits = tries.slice(1).map((at, n) => at - (tries[n] ?? 0));
    expect(waits.every((wait, n) => n === 0 || wait >= (waits[n - 1] ?? 0))).toBe(true);
    const [letter] = await deadLetters(sample);
    expect(letter).toMatchObject({ code: 'ATTEMPTS_EXHAUSTED', cause: 'INTERNAL', queue: 'in', attempts: 20 });
    expect(letter?.original).toMatchObject({ id: 'a', meta: { chain: 'c' } });
    expect(letter?.original.body.toString()).toBe('kept');
    expect(letter?.message).toContain('cannot open');
    expect(letter?.message).not.toMatch(/hunter2|abc|secret\.ts/);
    expect(JSON.stringify(log.lines)).not.toMatch(/hunter2/);
    expect(await depth(sample, 'in')).toBe(0);
  });

  test('of promises count alike, and the number of tries is a setting', async () => {
    let tries = 0;
    const handle = async (): Promise<void> => {
      tries++;
      throw Object.assign(new Error('no'), { code: 'EIO' });
    };
    await using sample = await handling(handle, { maxAttempts: 3 });
    await sample.publish('in', { id: 'a' });
    await sample.run(DAY);
    expect(tries).toBe(3);
    expect(await deadLetters(sample)).toMatchObject([{ code: 'ATTEMPTS_EXHAUSTED', cause: 'EIO', message: 'EIO: no', attempts: 3 }]);
  });

  test('one line a second counts them, however many fail', async () => {
    const log = keepLog();
    await using sample = await handling(() => Promise.reject(new Error('no')), { log });
    await sample.publish('in', ...Array.from({ length: 100 }, (_, n) => ({ id: `m${n}` })));
    await sample.run(900);
    expect(log.lines.filter((line) => line.level === 'warn')).toHaveLength(1);
  });
});

describe('reject', () => {
  test('makes a dead letter with code, reason and path, then acks', async () => {
    await using sample = await handling(() => reject('OBJECT_HASH_MISMATCH', 'not these bytes', 'msg.meta.hash'));
    await sample.publish('in', { id: 'a', meta: { chain: 'c', hash: 'h' }, body: 'kept' });
    await sample.run(SECOND);
    const [letter] = await deadLetters(sample);
    expect(letter).toMatchObject({
      code: 'OBJECT_HASH_MISMATCH',
      message: 'not these bytes',
      path: 'msg.meta.hash',
      queue: 'in',
      attempts: 1,
    });
    expect(letter?.original).toMatchObject({ id: 'a', meta: { chain: 'c', hash: 'h' } });
    expect(await depth(sample, 'in')).toBe(0);
  });

  test.each([
    [
      'thrown',
      () => {
        throw new BlockhubError('MESSAGE_INVALID', 'no chain', { details: { path: 'msg.meta.chain' } });
      },
    ],
    ['rejected', () => Promise.reject(new BlockhubError('MESSAGE_INVALID', 'no chain', { details: { path: 'msg.meta.chain' } }))],
  ])('a BlockhubError that is not transient, %s, does the same at once', async (_, handle) => {
    await using sample = await handling(handle);
    await sample.publish('in', { id: 'a' });
    await sample.run(SECOND);
    expect(await deadLetters(sample)).toMatchObject([
      { code: 'MESSAGE_INVALID', message: 'no chain', path: 'msg.meta.chain', attempts: 1 },
    ]);
    expect(await depth(sample, 'in')).toBe(0);
  });

  test('the dead letter is confirmed before the ack', async () => {
    const sample = await handling(() => reject('MESSAGE_INVALID', 'no'), { plan: scripted({ publish: ['crash-before'] }) });
    await sample.publish('in', { id: 'a' });
    await sample.run(SECOND);
    expect(await ids(sample, 'in')).toEqual(['a']);
  });

  test('a dead letter of unknown fate goes again', async () => {
    await using sample = await handling(() => reject('MESSAGE_INVALID', 'no'), { plan: scripted({ publish: ['fail-after'] }) });
    await sample.publish('in', { id: 'a' });
    await sample.run(SECOND);
    expect(await ids(sample, 'dead-letter')).toEqual(['a', 'a']);
    expect(await depth(sample, 'in')).toBe(0);
  });

  test('while there can be no dead letter the message stays, and that does not count as an attempt', async () => {
    let tries = 0;
    const sample = await handling(() => {
      tries++;
      throw new Error('no');
    });
    const { publish } = sample.connection;
    sample.connection.publish = () => Promise.reject(new BlockhubError('BROKER_QUEUE_MISSING', 'no dead-letter'));
    await sample.publish('in', { id: 'a' });
    await sample.run(DAY);
    expect(tries).toBeGreaterThan(20);
    expect(await depth(sample, 'in')).toBe(1);
    sample.connection.publish = publish;
    await sample.run(10 * MINUTE);
    expect(await deadLetters(sample)).toMatchObject([{ code: 'ATTEMPTS_EXHAUSTED', original: { id: 'a' } }]);
    await sample.stop();
  });
});
