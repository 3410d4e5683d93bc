/** @group long: it searches through thousands of runs of a model. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VirtualClock } from '@blockhub/clock';
import { errorCode } from '@blockhub/errors';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { MemoryBroker } from './drivers/memory/server.ts';
import { openSqliteBroker } from './drivers/sqlite/broker.ts';
import type { Broker, Consumer, Delivery } from './types.ts';

type Step =
  | { readonly do: 'publish'; readonly count: number; readonly size: number }
  | { readonly do: 'consume'; readonly prefetch: number }
  | { readonly do: 'cancel' }
  | { readonly do: 'restart' }
  | { readonly do: 'ack' | 'release' | 'take'; readonly which: number; readonly count: number }
  | { readonly do: 'retry'; readonly which: number; readonly count: number; readonly ms: number }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'set-back'; readonly ms: number };

const count = fc.integer({ min: 1, max: 40 });
const which = fc.nat(1_000);
const steps = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('publish' as const),
        count: fc.integer({ min: 1, max: 900 }),
        size: fc.constantFrom(0, 10, 60_000),
      }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('consume' as const), prefetch: fc.integer({ min: 1, max: 60 }) }) },
    { weight: 2, arbitrary: fc.constantFrom({ do: 'cancel' as const }, { do: 'restart' as const }) },
    { weight: 8, arbitrary: fc.record({ do: fc.constantFrom('ack' as const, 'release' as const, 'take' as const), which, count }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('retry' as const), which, count, ms: fc.integer({ min: 0, max: 3_000 }) }) },
    { weight: 6, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 15, max: 1_500 }) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('set-back' as const), ms: fc.integer({ min: 1, max: 3_600_000 }) }) },
  ),
  { minLength: 5, maxLength: 60 },
);

interface Known {
  attempts: number;
  /** Not again before this, in ticks. */
  due: number;
  held: boolean;
}

/** What must be in the queue, and the broker beside it. */
class Run {
  readonly clock: VirtualClock;
  readonly #open: () => Promise<Broker>;
  #broker: Broker;
  readonly #known = new Map<string, Known>();
  #held: Delivery[] = [];
  #consumers: Consumer[] = [];
  #number = 0;

  constructor(clock: VirtualClock, open: () => Promise<Broker>, broker: Broker) {
    this.clock = clock;
    this.#open = open;
    this.#broker = broker;
  }

  async step(step: Step): Promise<void> {
    if (step.do === 'publish') await this.#publish(step.count, step.size);
    else if (step.do === 'consume') this.#consumers.push(await this.#broker.consume('q', step, (delivery) => this.#deliver(delivery)));
    else if (step.do === 'cancel') await this.#consumers.shift()?.cancel();
    else if (step.do === 'restart') await this.#restart();
    else if (step.do === 'take') await this.#take(step.which, step.count);
    else if (step.do === 'pass') await this.clock.advance(step.ms);
    else if (step.do === 'set-back') this.clock.step(-step.ms);
    else this.#settle(step.do, step.which, step.count, 'ms' in step ? step.ms : 0);
    await this.check();
  }

  async check(): Promise<void> {
    await VirtualClock.settle();
    const [info] = await this.#broker.queues();
    // Who never consumed does not know what is held, and holds nothing.
    const { ready = -1, unacked = 0, delayed = -1 } = info ?? {};
    expect([unacked, ready + unacked + delayed]).toEqual([this.#held.length, this.#known.size]);
  }

  /** In the end everything comes that must, and nothing else. */
  async drain(): Promise<void> {
    await this.#restart();
    const seen: string[] = [];
    await this.#broker.consume('q', { prefetch: 50 }, (delivery) => {
      this.#deliver(delivery);
      seen.push(delivery.id);
    });
    for (let tries = 0; tries < 1_000 && this.#known.size > 0; tries++) {
      await this.clock.advance(20);
      this.#settle('ack', 0, this.#held.length, 0);
    }
    await this.clock.advance(5_000);
    expect(this.#known.size).toBe(0);
    expect(new Set(seen).size).toBe(seen.length);
    expect((await this.#broker.queues())[0]).toMatchObject({ ready: 0, unacked: 0, delayed: 0, bytes: 0 });
  }

  async #publish(messages: number, size: number): Promise<void> {
    const all = Array.from({ length: messages }, () => ({ queue: 'q', id: String(this.#number++), meta: {}, body: Buffer.alloc(size) }));
    for (const { id } of all) this.#known.set(id, { attempts: 0, due: 0, held: false });
    await this.#broker.publish(all);
  }

  #deliver(delivery: Delivery): void {
    const known = this.#known.get(delivery.id);
    const right = known && !known.held && known.attempts === delivery.attempts && this.clock.ticks() >= known.due;
    if (!right) throw new Error(`${delivery.id} came at ${this.clock.ticks()} as attempt ${delivery.attempts}: ${JSON.stringify(known)}`);
    known.held = true;
    this.#held.push(delivery);
  }

  #settle(how: 'ack' | 'release' | 'retry', from: number, messages: number, ms: number): void {
    const start = this.#held.length > 0 ? from % this.#held.length : 0;
    for (const delivery of this.#held.splice(start, messages)) {
      const known = this.#known.get(delivery.id) as Known;
      known.held = false;
      if (how === 'ack') this.#known.delete(delivery.id);
      if (how === 'retry') Object.assign(known, { attempts: known.attempts + 1, due: this.clock.ticks() + ms });
      if (how === 'retry') delivery.retry(ms);
      else delivery[how]();
    }
  }

  async #take(from: number, messages: number): Promise<void> {
    const waiting: { seq: string; id: string }[] = [];
    for await (const { seq, id } of this.#broker.browse('q')) waiting.push({ seq, id });
    const taken = waiting.slice(from % Math.max(1, waiting.length)).slice(0, messages);
    const [first] = taken;
    if (!first) return;
    const replacement = { queue: 'q', id: String(this.#number++), meta: {}, body: Buffer.alloc(3) };
    this.#known.set(replacement.id, { attempts: 0, due: 0, held: false });
    const seqs = taken.map(({ seq }) => seq);
    try {
      await this.#broker.take('q', seqs, [replacement]);
    } catch (error) {
      // A consumer was faster with one of them.
      expect([errorCode(error), taken.some(({ id }) => this.#known.get(id)?.held)]).toEqual(['BROKER_MESSAGE_MISSING', true]);
      this.#known.delete(replacement.id);
      return;
    }
    for (const { id } of taken) {
      expect(this.#known.get(id)?.held).toBe(false);
      this.#known.delete(id);
    }
  }

  async #restart(): Promise<void> {
    await this.#broker.close();
    for (const { id } of this.#held) (this.#known.get(id) as Known).held = false;
    this.#held = [];
    this.#consumers = [];
    this.#broker = await this.#open();
    await this.#broker.declare([{ name: 'q', kind: 'durable' }]);
  }
}

async function follow(all: readonly Step[], clock: VirtualClock, open: () => Promise<Broker>): Promise<void> {
  const broker = await open();
  await broker.declare([{ name: 'q', kind: 'durable' }]);
  const run = new Run(clock, open, broker);
  for (const step of all) await run.step(step);
  await run.drain();
}

describe('any sequence of operations', () => {
  test('memory', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const clock = new VirtualClock();
        const server = new MemoryBroker({ clock });
        await follow(all, clock, async () => server.connect());
      }),
      { numRuns: 60 },
    );
  });

  test('sqlite', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const folder = await mkdtemp(join(tmpdir(), 'blockhub-broker-'));
        const clock = new VirtualClock();
        let last: Broker | undefined;
        try {
          await follow(all, clock, async () => (last = await openSqliteBroker(join(folder, 'broker.sqlite'), { clock })));
        } finally {
          await last?.close();
          await rm(folder, { recursive: true });
        }
      }),
      { numRuns: 40 },
    );
  });
});
