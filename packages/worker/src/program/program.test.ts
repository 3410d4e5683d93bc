import { EventEmitter, once } from 'node:events';
import { systemClock } from '@blockhub/clock';
import { BlockhubError } from '@blockhub/errors';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { RunningWorker } from '../instance/running-worker.ts';
import { keepLog } from '../testing/fixtures.ts';
import { commonSettings } from './common-settings.ts';
import { type ProgramContext, runProgram } from './program.ts';
import type { Resources } from './resources.ts';

const { logLevel, probeHost, probePort, grace } = commonSettings;
const settings = { logLevel, probeHost, probePort, grace };
const everywhere = { broker: 'memory:', store: 'memory:', registry: 'memory:' };

const running: { signals: EventEmitter; code: Promise<number> }[] = [];
afterEach(async () => {
  for (const { signals, code } of running.splice(0)) {
    signals.emit('SIGTERM');
    await code;
  }
});

/** Runs a program with this start; `done` is emitted on `signals` when the start has ended. */
function run(start: (context: ProgramContext) => Promise<void>, ...argv: string[]) {
  const said = { out: '', err: '' };
  const signals = new EventEmitter();
  const log = keepLog();
  const started = once(signals, 'done');
  // A second signal has no effect on a program that has ended.
  const abort = (): void => {};
  const code = runProgram(
    {
      name: 'sample',
      summary: 'Runs what the test gives it.',
      settings,
      async start(_, process) {
        await start(process);
        signals.emit('done');
      },
    },
    {
      argv: ['--probe-port=0', ...argv],
      env: {},
      out: (text) => (said.out += text),
      err: (text) => (said.err += text),
      signals,
      log,
      abort,
    },
  );
  running.push({ signals, code });
  return { said, signals, log, started, code };
}

/** A worker that only notes its stop. */
function note(stops: { name: string; graceMs: number }[], name: string, stop: () => Promise<void> = async () => {}): RunningWorker {
  const running: Pick<RunningWorker, 'stop'> = {
    stop({ graceMs }) {
      stops.push({ name, graceMs });
      return stop();
    },
  };
  return running as RunningWorker;
}

describe('a process of many workers', () => {
  test('stops them from the last to the first, in one grace for all, and releases in reverse after that', async () => {
    const stops: { name: string; graceMs: number }[] = [];
    const order: string[] = [];
    const takesTime = async (): Promise<void> => {
      const begun = systemClock.ticks();
      while (systemClock.ticks() < begun + 2) await new Promise(setImmediate);
    };
    const { code, signals, started } = run(async ({ workers, releases }) => {
      for (const name of ['one', 'two'])
        releases.add(name, () => {
          order.push(`${name} after ${stops.length}`);
        });
      workers.push(note(stops, 'end'), note(stops, 'middle', takesTime), note(stops, 'front', takesTime));
    }, '--grace=1m');
    await started;
    signals.emit('SIGTERM');
    expect(await code).toBe(0);
    expect(stops.map(({ name }) => name)).toEqual(['front', 'middle', 'end']);
    const [first = 0, second = 0, third = 0] = stops.map(({ graceMs }) => graceMs);
    expect(first).toBeLessThanOrEqual(60_000);
    expect(second).toBeLessThan(first);
    expect(third).toBeLessThan(second);
    expect(order).toEqual(['two after 3', 'one after 3']);
  });

  test('that cannot start stops those that run, says what to do on standard error, and gives 1', async () => {
    const stops: { name: string; graceMs: number }[] = [];
    const { code, said, log } = run(async ({ workers, releases }) => {
      releases.add('lock', () => stops.push({ name: 'lock', graceMs: 0 }));
      workers.push(note(stops, 'first'));
      throw new BlockhubError('STORE_UNSAFE', 'file://me:secret@host is not a store');
    });
    expect(await code).toBe(1);
    expect(stops.map(({ name }) => name)).toEqual(['first', 'lock']);
    expect(said.err).toMatch(/^sample: STORE_UNSAFE: .* is not a store\. Use another store; .*\n$/);
    expect(said.err).not.toContain('secret');
    expect(log.lines).toContainEqual(expect.objectContaining({ level: 'error', code: 'STORE_UNSAFE', fix: expect.any(String) }));
  });

  test('that fails for unknown reasons gives 1 too', async () => {
    const { code, said } = run(() => Promise.reject(new TypeError('x is undefined')));
    expect(await code).toBe(1);
    expect(said.err).toContain('sample: INTERNAL: x is undefined');
  });

  test('that a signal ended while it started gives 0, whatever the start made of it', async () => {
    const { promise, reject } = Promise.withResolvers<void>();
    const { code, said, signals } = run(() => promise);
    signals.emit('SIGINT');
    reject(new Error('stopped'));
    expect(await code).toBe(0);
    expect(said.err).toBe('');
  });

  test('that cannot release something releases the rest, says so, and gives 1', async () => {
    const order: string[] = [];
    const { code, said, signals, started } = run(async ({ releases }) => {
      releases.add('first', () => order.push('first'));
      releases.add('second', () => Promise.reject(new Error('no')));
    });
    await started;
    signals.emit('SIGINT');
    expect(await code).toBe(1);
    expect(order).toEqual(['first']);
    expect(said.err).toBe('sample: INTERNAL while stopping: no\n');
    expect(signals.listenerCount('SIGTERM') + signals.listenerCount('SIGINT')).toBe(0);
  });

  test('answers probes before all, is ready when the start has ended, and counts requests to its store', async () => {
    const go = Promise.withResolvers<void>();
    const opened = Promise.withResolvers<Resources>();
    const { code, signals, started } = run(async ({ open }) => {
      const parts = await open(everywhere);
      await parts.store.find('nothing');
      parts.health.set('what runs already', true);
      opened.resolve(parts);
      await go.promise;
    });
    const { probePort: port, broker } = await opened.promise;
    const ask = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${port}${path}`);
    const before = [(await ask('/livez')).status, (await ask('/readyz')).status];
    go.resolve();
    await started;
    expect(before).toEqual([200, 503]);
    // The start has ended for its caller one turn later.
    await new Promise(setImmediate);
    expect((await ask('/readyz')).status).toBe(200);
    const text = await (await ask('/metrics')).text();
    for (const line of [
      'blockhub_store_requests_total{operation="get",service="sample"} 1',
      'blockhub_store_request_seconds_count{operation="get",service="sample"} 1',
      'blockhub_broker_state{state="connected",service="sample"} 1',
      'blockhub_broker_state{state="blocked",service="sample"} 0',
      'blockhub_broker_unconfirmed_messages{service="sample"} 0',
      'blockhub_broker_lost_total{service="sample"} 0',
      'blockhub_ready{service="sample"} 1',
    ])
      expect(text.split('\n')).toContain(line);
    signals.emit('SIGTERM');
    expect(await code).toBe(0);
    expect(broker.state).toBe('closed');
    await expect(ask('/livez')).rejects.toThrow();
  });
});
