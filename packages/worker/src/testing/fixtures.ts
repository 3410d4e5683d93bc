import type { MemoryBroker, Outgoing } from '@blockhub/broker';
import { type DeadLetter, readDeadLetter } from '@blockhub/message';
import type { Logger, LogMethod } from '@blockhub/telemetry';
import { type Context, defineWorker, type Take, type Worker } from '../types.ts';
import { type TestOptions, type TestWorker, testWorker } from './test-worker.ts';

export type Plan = NonNullable<NonNullable<Parameters<MemoryBroker['connect']>[0]>['plan']>;
type FaultOutcome = ReturnType<Plan['decide']>['outcome'];

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;

/** Faults by effect: what happens the first, second, … time; `ok` after that. */
export function scripted(script: Readonly<Record<string, readonly FaultOutcome[]>>): Plan {
  const counts = new Map<string, number>();
  return {
    random: () => 0.5,
    chance: () => false,
    decide(effect) {
      const count = counts.get(effect) ?? 0;
      counts.set(effect, count + 1);
      return { outcome: script[effect]?.[count] ?? 'ok', delayMs: 0, answerMs: 0 };
    },
  };
}

type Definition = Worker<Record<never, never>, unknown>;

export const inOut = (parts: Partial<Definition> & { readonly take?: Partial<Take> }): Definition => {
  const { take, ...rest } = parts;
  return defineWorker<Record<never, never>, unknown>({
    name: 'sample',
    summary: 'Takes from in and gives to out.',
    settings: {},
    needs: [],
    takes: () => [{ queue: 'in', ...take }],
    gives: () => ['out'],
    ...rest,
  });
};

type Handle = NonNullable<Definition['handle']>;

export const handling = (
  handle: Handle,
  options: TestOptions<Record<never, never>> & { readonly take?: Partial<Take> } = {},
): Promise<TestWorker> => testWorker(inOut({ handle, ...(options.take && { take: options.take }) }), options);

export const out = (id: string, body = ''): Outgoing => ({ queue: 'out', id, meta: {}, body: Buffer.from(body) });

export async function ids(test: TestWorker, queue: string): Promise<string[]> {
  return (await test.queue(queue)).map((message) => message.id);
}

export async function deadLetters(test: TestWorker): Promise<DeadLetter[]> {
  return (await test.queue('dead-letter')).map((message) => readDeadLetter(message));
}

/** The number of messages of a queue: ready, unacked and delayed. */
export async function depth(test: TestWorker, name: string): Promise<number> {
  const queue = (await test.broker.queues()).find((one) => one.name === name);
  return queue ? queue.ready + (queue.unacked ?? 0) + (queue.delayed ?? 0) : 0;
}

export interface Line {
  readonly level: string;
  readonly text: string;
  readonly [field: string]: unknown;
}

export function keepLog(): Logger & { readonly lines: Line[] } {
  const lines: Line[] = [];
  const method =
    (level: string, base: object): LogMethod =>
    (fields: string | object, text?: string) => {
      lines.push(typeof fields === 'string' ? { ...base, level, text: fields } : { ...base, ...fields, level, text: text ?? '' });
    };
  const make = (base: object): Logger => ({
    debug: method('debug', base),
    info: method('info', base),
    warn: method('warn', base),
    error: method('error', base),
    child: (fields) => make({ ...base, ...fields }),
  });
  return { ...make({}), lines };
}

export type AnyContext = Context<Record<never, never>, unknown>;
