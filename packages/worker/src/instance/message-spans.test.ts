import type { Outgoing } from '@blockhub/broker';
import { BlockhubError } from '@blockhub/errors';
import { formatTraceparent, parseTraceparent } from '@blockhub/telemetry';
import { describe, expect, test } from '@jest/globals';
import { done, reject, retry } from '../outcome.ts';
import { inOut, MINUTE, out, SECOND } from '../testing/fixtures.ts';
import { type TestSpan, testTracing } from '../testing/test-tracing.ts';
import { testWorker } from '../testing/test-worker.ts';
import { publishInSpans } from './message-spans.ts';

const traceIdOf = (letter: string): string => letter.repeat(32);
const contextOf = (letter: string, sampled = true): string =>
  formatTraceparent({ traceId: traceIdOf(letter), spanId: letter.repeat(16), sampled });
const traceOf = (traceparent: unknown): string | undefined => parseTraceparent(traceparent)?.traceId[0];

const facts = (spans: readonly TestSpan[]): unknown[] =>
  spans.map(({ name, traceId, links }) => [name, traceId[0], links.map((link) => link[0]).join('')]);

describe('a message', () => {
  test('has a span while it is handled; what is published goes on from there, but hints', async () => {
    const tracing = testTracing();
    const worker = inOut({
      handle: () => done([out('x'), { ...out('own'), meta: { traceparent: contextOf('b') } }, { ...out('hint'), hint: true }]),
    });
    await using sample = await testWorker(worker, { tracing });
    await sample.publish('in', { id: 'a', meta: { traceparent: contextOf('a') } });
    await sample.run(SECOND);
    expect(facts(tracing.spans)).toEqual([
      ['process in', 'a', ''],
      ['send out', 'a', ''],
      ['send out', 'b', ''],
    ]);
    const [process, send, sendOwn] = tracing.spans;
    expect([process?.parentId, send?.parentId, sendOwn?.parentId]).toEqual([
      'a'.repeat(16),
      process?.traceparent.split('-')[2],
      'b'.repeat(16),
    ]);
    expect((await sample.queue('out')).map(({ meta }) => meta.traceparent)).toEqual([send?.traceparent, sendOwn?.traceparent, undefined]);
    expect(tracing.spans.map(({ ends }) => ends)).toEqual([1, 1, 1]);
  });

  test('that is not sampled has no span, and its context goes on', async () => {
    const tracing = testTracing();
    await using sample = await testWorker(inOut({ handle: ({ id }) => done([out(id)]) }), { tracing });
    await sample.publish(
      'in',
      { id: 'a', meta: { traceparent: contextOf('a', false) } },
      { id: 'b' },
      { id: 'c', meta: { traceparent: 'x' } },
    );
    await sample.run(SECOND);
    expect(tracing.spans).toEqual([]);
    expect((await sample.queue('out')).map(({ meta }) => meta.traceparent)).toEqual([contextOf('a', false), undefined, 'x']);
  });

  test('that fails is marked as failed, each time', async () => {
    const tracing = testTracing();
    const worker = inOut({
      handle({ id }) {
        if (id === 'reject') return reject('MESSAGE_INVALID', 'no');
        if (id === 'throw') throw new BlockhubError('OBJECT_MISSING', 'no');
        return retry(MINUTE, 'later');
      },
    });
    await using sample = await testWorker(worker, { tracing });
    await sample.publish(
      'in',
      ...['reject', 'throw', 'retry'].map((id, at) => ({ id, meta: { traceparent: contextOf('abc'[at] as string) } })),
    );
    await sample.run(SECOND);
    const processed = tracing.spans.filter(({ name }) => name === 'process in');
    expect(processed.map(({ codes, ends }) => [codes, ends])).toEqual([
      [['MESSAGE_INVALID'], 1],
      [['OBJECT_MISSING'], 1],
      [[], 1],
    ]);
    expect((await sample.queue('dead-letter')).map(({ meta }) => traceOf(meta.traceparent))).toEqual(['a', 'b']);
  });
});

test('a batch has a span for each trace; the first goes on, and names the others as they name it', async () => {
  const tracing = testTracing();
  const take = { batch: { max: 4, ttlMs: SECOND } };
  const worker = inOut({ take, handleBatch: () => done([out('x'), { ...out('y'), meta: { traceparent: contextOf('b') } }]) });
  await using sample = await testWorker(worker, { tracing });
  await sample.publish('in', ...['a', 'b', 'a', 'c'].map((letter, at) => ({ id: `m${at}`, meta: { traceparent: contextOf(letter) } })));
  await sample.run(SECOND);
  expect(facts(tracing.spans)).toEqual([
    ['process in', 'a', 'bc'],
    ['process in', 'b', 'a'],
    ['process in', 'c', 'aa'],
    ['send out', 'a', 'c'],
    ['send out', 'b', ''],
  ]);
  expect((await sample.queue('out')).map(({ meta }) => traceOf(meta.traceparent))).toEqual(['a', 'b']);
});

test.each([
  ['each by its own outcome', ['MESSAGE_INVALID', '', '', 'EVENT_TIME_AHEAD'], 2],
  ['all by one', Array(4).fill('MESSAGE_INVALID'), 4],
])('what a batch rejects, %s, is marked as failed', async (how, codes, letters) => {
  const tracing = testTracing();
  const take = { batch: { max: 4, ttlMs: SECOND } };
  const no = reject('MESSAGE_INVALID', 'no');
  const each = [no, done(), retry(MINUTE, 'later'), reject('EVENT_TIME_AHEAD', 'no')];
  await using sample = await testWorker(inOut({ take, handleBatch: () => (how === 'all by one' ? no : each) }), { tracing });
  await sample.publish('in', ...['a', 'b', 'c', 'd'].map((letter) => ({ id: letter, meta: { traceparent: contextOf(letter) } })));
  await sample.run(SECOND);
  const processed = tracing.spans.filter(({ name }) => name === 'process in');
  expect(processed.map((span) => span.codes.join())).toEqual(codes);
  expect(await sample.queue('dead-letter')).toHaveLength(letters);
});

test('messages that are published on behalf of others belong to their traces', async () => {
  const tracing = testTracing();
  const worker = inOut({
    async handle(message, context) {
      await context.publish([{ ...out(message.id), meta: { traceparent: contextOf('f', false) } }], [message]);
    },
  });
  await using sample = await testWorker(worker, { tracing });
  await sample.publish('in', { id: 'a', meta: { traceparent: contextOf('a') } });
  await sample.run(SECOND);
  expect((await sample.queue('out')).map(({ meta }) => traceOf(meta.traceparent))).toEqual(['a']);
});

test('publishInSpans ends its spans when the publish fails, and has at most 32', async () => {
  const tracing = testTracing();
  const messages: Outgoing[] = Array.from({ length: 40 }, (_, at) => ({
    ...out(`${at}`),
    meta: { traceparent: formatTraceparent({ traceId: String(at + 1).padStart(32, '0'), spanId: 'a'.repeat(16), sampled: true }) },
  }));
  const error = new BlockhubError('BROKER_UNAVAILABLE', 'no');
  await expect(publishInSpans(tracing, messages, () => Promise.reject(error))).rejects.toBe(error);
  expect(tracing.spans).toHaveLength(32);
  expect(tracing.spans.every(({ ends, codes }) => ends === 1 && codes.join() === 'BROKER_UNAVAILABLE')).toBe(true);
});
