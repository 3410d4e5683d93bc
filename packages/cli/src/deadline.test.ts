import { PassThrough } from 'node:stream';
import { VirtualClock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import { expect, test } from '@jest/globals';
import { Deadline } from './deadline.ts';
import { Session } from './session.ts';

const away = (): Promise<never> => Promise.reject(new BlockhubError('BROKER_UNAVAILABLE', 'no answer\nfrom 127.0.0.1:1'));

function waiting(wait: string) {
  const clock = new VirtualClock();
  const [stdout, stderr] = [new PassThrough({ encoding: 'utf8' }), new PassThrough({ encoding: 'utf8' })];
  const session = new Session({ stdin: new PassThrough(), stdout, stderr, env: {}, signal: new AbortController().signal, clock });
  return { clock, stdout, stderr, deadline: new Deadline(session, wait) };
}

test('says on stderr what it waits for and why, not at each try, and the last error is thrown', async () => {
  const { clock, stdout, stderr, deadline } = waiting('20s');
  let tries = 0;
  const over = deadline.retry('the broker', () => {
    tries++;
    return away();
  });
  const thrown = expect(over).rejects.toMatchObject({ code: 'BROKER_UNAVAILABLE' });
  await clock.advance(60_000);
  await thrown;
  const line = (seconds: number): string => `waiting for the broker, ${seconds} s: BROKER_UNAVAILABLE: no answer from 127.0.0.1:1\n`;
  expect([tries, stderr.read(), stdout.read()]).toEqual([21, [2, 7, 12, 17].map(line).join(''), null]);
});

test('says also what has not answered yet, and nothing of what answers soon', async () => {
  const { clock, stderr, deadline } = waiting('20s');
  const { promise, resolve } = Promise.withResolvers<string>();
  const late = deadline.retry('the store', () => promise);
  await clock.advance(2_000);
  expect(stderr.read()).toBe('waiting for the store, 2 s\n');
  resolve('late');
  expect([await late, await deadline.retry('the broker', async () => 'soon')]).toEqual(['late', 'soon']);
  await clock.advance(60_000);
  expect(stderr.read()).toBeNull();
});
