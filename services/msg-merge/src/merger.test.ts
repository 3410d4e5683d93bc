import { type Message, messageOf } from '@blockhub/message';
import { type TestWorker, testWorker } from '@blockhub/worker';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Merger } from './merger.ts';
import { worker } from './worker.ts';

interface Sent {
  readonly tail: unknown;
  readonly ids: readonly string[];
  confirm(): void;
  fail(error: Error): void;
}

let sample: TestWorker;
let merger: Merger;
let sent: Sent[];
let asked: number;

beforeEach(async () => {
  sample = await testWorker(worker);
  sent = [];
  asked = 0;
  const held = [{ tag: 'group', holdMs: 60_000, end: 'release' }] as const;
  const limits = { maxItems: 100, maxBytes: 1000, nearlyFull: 10, maxKeys: 10 };
  merger = new Merger(
    { held, latest: 'tail', wait: 5000, ask: 2000, rest: 2000, ...limits, clock: sample.clock },
    {
      send: ({ tail }, messages) =>
        new Promise((confirm, fail) => sent.push({ tail: (tail as Message).id, ids: messages.map(({ id }) => id), confirm, fail })),
      async ask() {
        asked++;
      },
    },
  );
});
afterEach(() => sample.stop());

const message = (id: string): Message => messageOf({ id, queue: 'q', meta: {}, body: Buffer.from('[]'), attempts: 0, firstAt: 0 });
const tail = (order: number): void => merger.latest('k', order, message(`tail ${order}`));
const hold = (id: string): Promise<string> => merger.hold('group', 'k', message(id)).catch((error: Error) => error.message);
const merges = (): unknown[] => sent.map(({ tail: used, ids }) => [used, ...ids]);

describe('while a merged message is being published', () => {
  beforeEach(() => tail(5));

  test('its answer may arrive: the key rests after the confirm, then the next merge uses the answer', async () => {
    const first = hold('a');
    await sample.run(100);
    tail(6);
    void hold('b');
    sent[0]?.confirm();
    expect(await first).toBe('merged');
    await sample.run(199);
    expect(merges()).toEqual([['tail 5', 'a']]);
    await sample.run(1);
    expect(merges()).toEqual([
      ['tail 5', 'a'],
      ['tail 6', 'b'],
    ]);
    expect(asked).toBe(0);
  });

  test('it may fail: without an answer the value is requested', async () => {
    const first = hold('a');
    void hold('b');
    sent[0]?.fail(new Error('away'));
    expect(await first).toBe('away');
    await sample.run(0);
    expect([asked, sent.length]).toEqual([1, 1]);
    tail(5);
    expect(merges()[1]).toEqual(['tail 5', 'b']);
  });

  test('it may fail: a value that arrived meanwhile is used', async () => {
    const first = hold('a');
    void hold('b');
    tail(6);
    sent[0]?.fail(new Error('away'));
    expect(await first).toBe('away');
    await sample.run(0);
    expect([asked, merges()[1]]).toEqual([0, ['tail 6', 'b']]);
  });

  test('a stale value is not an answer', async () => {
    const first = hold('a');
    tail(4);
    void hold('b');
    sent[0]?.confirm();
    expect(await first).toBe('merged');
    await sample.run(4999);
    expect([asked, sent.length]).toEqual([0, 1]);
    await sample.run(1);
    expect([asked, sent.length]).toEqual([1, 1]);
  });
});
