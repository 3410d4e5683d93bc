import { EventEmitter, once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlockhubError } from '@blockhub/errors';
import { setting } from '@blockhub/settings';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { done } from '../outcome.ts';
import { keepLog, type Line } from '../testing/fixtures.ts';
import { defineWorker } from '../types.ts';
import { runProgram } from './program.ts';
import { programOf } from './worker-program.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'worker-'));
});
afterEach(() => rm(folder, { recursive: true }));

const worker = defineWorker({
  name: 'copier',
  summary: 'Copies from in to out.',
  settings: { greeting: setting.text({ text: 'What to say.', default: 'hello' }) },
  needs: ['store', 'registry'],
  takes: () => [{ queue: 'in' }],
  declares: () => [
    { name: 'in', kind: 'durable' },
    { name: 'out', kind: 'durable' },
  ],
  handle: (message, { settings }) => done([{ queue: 'out', id: message.id, meta: {}, body: Buffer.from(settings.greeting) }]),
});

function start(argv: readonly string[], run = worker, terminal = false) {
  const said = { out: '', err: '' };
  const signals = new EventEmitter();
  const log = keepLog();
  const aborts: number[] = [];
  const code = runProgram(programOf(run), {
    argv,
    env: {},
    out: (text) => (said.out += text),
    err: (text) => (said.err += text),
    signals,
    abort: () => void aborts.push(1),
    log,
    terminal,
  });
  return { said, signals, log, aborts, code };
}

function flags(over: { readonly broker?: string; readonly port?: number } = {}): string[] {
  const broker = over.broker ?? `sqlite://${folder}/broker.sqlite`;
  return [
    `--broker=${broker}`,
    `--store=file://${folder}/store`,
    `--registry=sqlite://${folder}/registry.sqlite`,
    `--probe-port=${over.port ?? 0}`,
  ];
}

async function logged(lines: readonly Line[], matches: (line: Line) => boolean): Promise<Line> {
  for (;;) {
    const line = lines.find(matches);
    if (line) return line;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const isRunning = ({ text, state }: Line): boolean => text === 'state' && state === 'running';

describe('the program of a worker', () => {
  test('--help shows all settings and gives 0', async () => {
    const { code, said } = start(['--help']);
    expect(await code).toBe(0);
    for (const word of ['copier', 'Copies from in to out.', '--broker', '--store', '--registry', '--greeting', '--grace', '--probe-port'])
      expect(said.out).toContain(word);
    expect(said.err).toBe('');
  });

  test('dashes before the first flag, as a script runner hands them on, mean nothing', async () => {
    for (const [argv, exit, told] of [
      [['--', '--help'], 0, { out: expect.stringContaining('--greeting'), err: '' }],
      [['--', ...flags(), '--grace=soon'], 2, { out: '', err: expect.stringMatching(/^copier: grace .*\n$/) }],
    ] as const) {
      const { code, said } = start(argv);
      expect({ code: await code, said }).toEqual({ code: exit, said: told });
    }
  });

  test('every mistake in the settings is on standard error at once, and gives 2', async () => {
    const { code, said } = start(['--probe-port=abc', '--grace=soon', '--greetin=x']);
    expect(await code).toBe(2);
    for (const word of ['--probe-port', '--grace', '--greetin', '--broker', '--store', '--registry']) expect(said.err).toContain(word);
    expect(said.err.trim().split('\n').length).toBeGreaterThanOrEqual(6);
    expect(said.out).toBe('');
  });

  test('a URL that no driver knows gives 2', async () => {
    const { code, log, said } = start(flags({ broker: 'nosuch://host' }));
    expect(await code).toBe(2);
    expect(log.lines.at(-1)).toMatchObject({ level: 'error', code: 'BROKER_URL_INVALID' });
    expect(said.err).toMatch(/^copier: BROKER_URL_INVALID: .*nosuch.*\n$/);
  });

  test('on a terminal the error of a start is on standard error, and in the log at debug', async () => {
    const { code, log, said } = start(flags({ broker: 'nosuch://host' }), worker, true);
    expect(await code).toBe(2);
    expect(log.lines.at(-1)).toMatchObject({ level: 'debug', code: 'BROKER_URL_INVALID' });
    expect(said.err).toMatch(/^copier: BROKER_URL_INVALID: .*nosuch.*\n$/);
  });

  test('a taken probe port gives 1', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const { code, log, said } = start(flags({ port: typeof address === 'object' && address ? address.port : 0 }));
    const given = await code;
    server.close();
    expect(given).toBe(1);
    expect(log.lines.at(-1)).toMatchObject({ code: 'ADDRESS_IN_USE' });
    expect(said.err).toMatch(
      /^copier: ADDRESS_IN_USE: Another program already listens on .*:\d+\. Stop it, or set another port with --probe-port .*\.\n$/,
    );
  });

  test('works until a signal, drains, gives 0 and can be started again', async () => {
    for (const round of ['first', 'second']) {
      const { code, signals, log, aborts } = start([...flags(), '--greeting', round]);
      await logged(log.lines, isRunning);
      signals.emit('SIGTERM');
      expect(await code).toBe(0);
      expect(aborts).toEqual([]);
      expect(signals.listenerCount('SIGTERM') + signals.listenerCount('SIGINT')).toBe(0);
      expect(log.lines.filter(({ text }) => text === 'state').map(({ state }) => state)).toEqual([
        'starting',
        'running',
        'draining',
        'stopped',
      ]);
    }
  });

  test('is alive, not ready, while what it needs is away', async () => {
    let away = true;
    const waiting = defineWorker({
      ...worker,
      needs: [],
      setup: () => {
        if (away) throw new BlockhubError('STORE_UNAVAILABLE', 'away');
      },
    });
    const { code, signals, log } = start(['--broker=memory:', '--probe-port=0'], waiting as typeof worker);
    const { port } = await logged(log.lines, ({ text }) => text === 'probes listen');
    const status = async (path: string): Promise<number> => (await fetch(`http://127.0.0.1:${port}${path}`)).status;
    await logged(log.lines, ({ text }) => text === 'start-up step waits');
    expect([await status('/livez'), await status('/readyz')]).toEqual([200, 503]);
    away = false;
    await logged(log.lines, isRunning);
    expect([await status('/livez'), await status('/readyz'), await status('/metrics')]).toEqual([200, 200, 200]);
    signals.emit('SIGTERM');
    expect(await code).toBe(0);
  });

  test('a second signal aborts', async () => {
    const stuck = defineWorker({ ...worker, needs: [], serve: async () => ({ close: () => new Promise<void>(() => {}) }) });
    const { code, signals, log, aborts } = start(['--broker=memory:', '--probe-port=0', '--grace=300ms'], stuck as typeof worker);
    await logged(log.lines, isRunning);
    signals.emit('SIGINT');
    expect(aborts).toEqual([]);
    signals.emit('SIGINT');
    expect(aborts).toEqual([1]);
    expect(await code).toBe(0);
  });

  test('a signal while it starts ends the start', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const waiting = defineWorker({ ...worker, needs: [], setup: () => promise });
    const { code, signals, log } = start(['--broker=memory:', '--probe-port=0'], waiting as typeof worker);
    await logged(log.lines, ({ step }) => step === 'queues');
    signals.emit('SIGTERM');
    resolve(undefined);
    expect(await code).toBe(0);
    expect(log.lines.some(isRunning)).toBe(false);
  });
});
