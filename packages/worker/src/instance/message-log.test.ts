import { BlockhubError } from '@blockhub/errors';
import { createLogger, type LogFields, type Logger } from '@blockhub/telemetry';
import { describe, expect, test } from '@jest/globals';
import { done, reject } from '../outcome.ts';
import { handling, inOut, keepLog, MINUTE, out } from '../testing/fixtures.ts';
import { testWorker } from '../testing/test-worker.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const message = { id: 'e1', meta: { chain: 'c1', traceparent: `00-${traceId}-00f067aa0ba902b7-01` } };
const facts = { id: 'e1', chain: 'c1', traceId };

describe('lines of a message carry its id, chain and trace', () => {
  test('those of its handler, each those of its own message', async () => {
    const log = keepLog();
    await using sample = await handling(
      async ({ id }, context) => {
        context.log.info({ step: 1 }, 'begun');
        await context.clock.sleep(id === 'e1' ? 20 : 10);
        context.log.info({ step: 2 }, 'ended');
      },
      { log },
    );
    await sample.publish('in', message, { id: 'e2' });
    await sample.run(50);
    const lines = log.lines.filter(({ step }) => step !== undefined && typeof step === 'number');
    expect(lines.map(({ text, id }) => [text, id])).toEqual([
      ['begun', 'e1'],
      ['begun', 'e2'],
      ['ended', 'e2'],
      ['ended', 'e1'],
    ]);
    expect(lines[3]).toMatchObject({ ...facts, worker: 'sample' });
    expect(Object.keys(lines[2] ?? {})).not.toEqual(expect.arrayContaining(['chain']));
    expect(Object.keys(lines[2] ?? {})).not.toEqual(expect.arrayContaining(['traceId']));
  });

  test.each<[string, () => never | ReturnType<typeof reject>]>([
    ['message rejected', () => reject('MESSAGE_INVALID', 'no')],
    [
      'message rejected',
      () => {
        throw new BlockhubError('MESSAGE_INVALID', 'no');
      },
    ],
    [
      'handler failed, trying again',
      () => {
        throw new Error('no');
      },
    ],
  ])('%s', async (text, handle) => {
    const log = keepLog();
    await using sample = await handling(handle, { log });
    await sample.publish('in', message);
    await sample.run(10);
    expect(log.lines).toContainEqual(expect.objectContaining({ ...facts, text, queue: 'in' }));
  });

  test('those of one message of a batch', async () => {
    const log = keepLog();
    const worker = inOut({
      handleBatch: (messages) => messages.map(({ id }) => (id === 'e1' ? reject('MESSAGE_INVALID', 'no') : done())),
      take: { batch: { max: 2, ttlMs: 10 } },
    });
    await using sample = await testWorker(worker, { log });
    await sample.publish('in', { id: 'e0' }, message);
    await sample.run(10);
    expect(log.lines).toContainEqual(expect.objectContaining({ ...facts, text: 'message rejected' }));
  });

  test('a handler that took too long', async () => {
    const log = keepLog();
    await using sample = await handling(() => new Promise<void>(() => {}), { log });
    await sample.publish('in', message);
    await sample.run(15 * MINUTE);
    expect(log.lines).toContainEqual(expect.objectContaining({ ...facts, text: 'handler took too long, message released' }));
  });
});

test('a trace context of another form is not logged', async () => {
  const log = keepLog();
  await using sample = await handling((_, context) => context.log.info('seen'), { log });
  for (const traceparent of ['', 'x', `00-${traceId}`, `00-${traceId.toUpperCase()}-00f067aa0ba902b7-01`, 7, true])
    await sample.publish('in', { meta: { traceparent } });
  await sample.run(10);
  const seen = log.lines.filter(({ text }) => text === 'seen');
  expect(seen).toHaveLength(6);
  for (const line of seen) expect(line).not.toHaveProperty('traceId');
});

test('no name stands twice in a line', async () => {
  const lines: string[] = [];
  const log = createLogger({ name: 'x', stream: { write: (line) => lines.push(line) } });
  await using sample = await handling(
    (_, context) => {
      context.log.info({ a: 1 }, 'seen');
      throw new Error('no');
    },
    { log },
  );
  await sample.publish('in', message);
  await sample.run(10);
  const own = lines.filter((line) => line.includes(traceId));
  expect(own).toHaveLength(2);
  for (const line of own) {
    const names = [...line.matchAll(/[{,]"(\w+)":/g)].map(([, name]) => name);
    expect(names).toEqual([...new Set(names)]);
  }
});

test('a message that logs nothing makes no logger', async () => {
  const children: LogFields[] = [];
  const log = keepLog();
  const counting: Logger = {
    ...log,
    child(fields) {
      children.push(fields);
      return counting;
    },
  };
  await using sample = await handling(({ id }) => done([out(id)]), { log: counting });
  const before = children.length;
  await sample.publish('in', message, { id: 'e2' });
  await sample.run(10);
  expect(await sample.queue('out')).toHaveLength(2);
  expect(children).toHaveLength(before);
});
