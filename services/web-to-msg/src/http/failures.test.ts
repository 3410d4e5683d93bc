import { VirtualClock } from '@blockhub/clock';
import { BlockhubError, type ErrorCode } from '@blockhub/errors';
import { createLogger } from '@blockhub/telemetry';
import { expect, test } from '@jest/globals';
import { Failures } from './failures.ts';

function begin() {
  const clock = new VirtualClock();
  const lines: Record<string, unknown>[] = [];
  const log = createLogger({ name: 'web-to-msg', level: 'debug', stream: { write: (line) => lines.push(JSON.parse(line)) } });
  const failures = new Failures(clock, log);
  let id = 0;
  const fail = (code: ErrorCode): void => failures.failed(new BlockhubError(code, `because of ${code}`), String(++id));
  /** Lines above debug, in short. */
  const told = (): unknown[] =>
    lines.filter(({ level }) => level !== 'debug').map(({ level, code, requests, msg }) => [level, code, requests, msg]);
  return { clock, lines, failures, fail, told };
}

test('an outage is logged when it begins, once a minute, and at its end', async () => {
  const { clock, lines, failures, fail, told } = begin();
  for (let seconds = 0; seconds < 65; seconds++) {
    for (let count = 0; count < 10; count++) fail('BROKER_UNAVAILABLE');
    failures.succeeded();
    await clock.advance(1_000);
  }
  const warned = [
    ['warn', 'BROKER_UNAVAILABLE', 1, 'requests fail'],
    ['warn', 'BROKER_UNAVAILABLE', 600, 'requests fail'],
  ];
  expect(told()).toEqual(warned);
  await clock.advance(9_000);
  failures.succeeded();
  failures.succeeded();
  expect(told()).toEqual([...warned, ['info', 'BROKER_UNAVAILABLE', 650, 'requests fail no more']]);
  fail('BROKER_UNAVAILABLE');
  expect(told().length).toBe(4);
  const each = lines.filter(({ level }) => level === 'debug');
  expect(each.length).toBe(651);
  expect(each[0]).toMatchObject({
    code: 'BROKER_UNAVAILABLE',
    reason: 'because of BROKER_UNAVAILABLE',
    requestId: '1',
    msg: 'request failed',
  });
  expect(JSON.stringify(each)).not.toContain('stack');
});

test('each kind of outage is logged by itself, defects each time', () => {
  const { fail, told } = begin();
  for (const code of ['STORE_DENIED', 'CAPTURE_BUSY', 'STORE_DENIED', 'INTERNAL', 'INTERNAL'] as const) fail(code);
  expect(told()).toEqual([
    ['warn', 'STORE_DENIED', 1, 'requests fail'],
    ['warn', 'CAPTURE_BUSY', 1, 'requests fail'],
    ['error', 'INTERNAL', undefined, 'request failed'],
    ['error', 'INTERNAL', undefined, 'request failed'],
  ]);
});
