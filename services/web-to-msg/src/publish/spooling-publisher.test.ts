/** @group long: it waits for outages that last. */
import { MemoryBroker } from '@blockhub/broker';
import { newEvent } from '@blockhub/chain';
import { VirtualClock } from '@blockhub/clock';
import { type Decision, type FaultPlan, seededPlan, seededRandom } from '@blockhub/faults';
import { declarations, queues } from '@blockhub/message';
import { MemoryRegistry } from '@blockhub/registry';
import { defaults } from '@blockhub/settings';
import { MemoryStore, Store } from '@blockhub/store';
import { createHealth, createMetrics, type Health, silentLogger } from '@blockhub/telemetry';
import { createChain } from '@blockhub/writer';
import { describe, expect, test } from '@jest/globals';
import { Appender } from '../capture/appender.ts';
import { type CaptureContext, settings } from '../settings.ts';
import { MemoryDisk } from '../spool/memory-disk.ts';
import { type Mood, type Wayward, wayward } from './wayward-broker.fixture.ts';

const LIMIT_MS = 2000;
const LONG_MS = 600_000;

/** An answer, how long it took, and its event. */
type Answer = readonly [answer: string, ms: number, event: string];

interface Sample extends Wayward {
  readonly clock: VirtualClock;
  readonly disk: MemoryDisk;
  readonly health: Health;
  readonly store: Store;
  readonly metric: (name: string) => Promise<number>;
  /** Sends a request, without moving the clock. */
  post(body: string): Promise<Answer>;
  /** Ends this process; the next one has the same disk. */
  restart(): Promise<void>;
  /** Events in the queue, each where it came first. */
  arrived(): Promise<string[]>;
}

/** Capture without HTTP, on virtual time. */
async function openSample(
  given: { plan?: FaultPlan; settings?: Partial<CaptureContext['settings']>; disk?: MemoryDisk } = {},
): Promise<Sample> {
  const clock = new VirtualClock();
  const random = seededRandom(1);
  const server = new MemoryBroker({ clock });
  const calm = server.connect();
  await calm.declare(declarations(1));
  const store = new Store(new MemoryStore({ clock }).driver(), { clock });
  await createChain(store, { name: 'plain', settings: { requests: false }, now: clock.now(), random });
  const disk = given.disk ?? new MemoryDisk();
  const moody = wayward(server.connect(given.plan ? { plan: given.plan } : {}));
  const health = createHealth();
  let metrics = createMetrics();
  let last = 0;
  const open = (): Promise<Appender> => {
    metrics = createMetrics();
    const context = {
      settings: defaults(settings, { confirmTimeout: LIMIT_MS, ...given.settings }),
      ...{ clock, store, random, health, metrics, log: silentLogger },
      registry: new MemoryRegistry(),
      broker: moody.broker,
      newEvent: () => newEvent(clock.now() + last++, Buffer.alloc(10)),
    } as unknown as CaptureContext;
    return Appender.open(context, disk.open(clock));
  };
  let appender = await open();
  // Looks the chain up.
  await during(clock, appender.append(requestOf('first')));
  return {
    ...moody,
    ...{ clock, disk, health, store },
    async metric(name) {
      return Number(new RegExp(`^${name}(?:\\{.*\\})? (.*)$`, 'm').exec(await metrics.text())?.[1]);
    },
    post(body) {
      const begun = clock.ticks();
      const ended = (answer: string, event: string): Answer => [answer, clock.ticks() - begun, event];
      return appender.append(requestOf(body)).then(
        ({ receipt, safeIn }) => ended(safeIn, receipt.event),
        ({ code }: { code: string }) => ended(code, ''),
      );
    },
    async restart() {
      disk.crash();
      appender = await open();
    },
    async arrived() {
      const all = (await Array.fromAsync(calm.browse(queues.ingress.name))).map(({ id }) => id);
      return [...new Set(all)].slice(1);
    },
  };
}

const client = { ip: '192.0.2.1', port: 1024, tls: false };
const requestOf = (body: string): Parameters<Appender['append']>[0] => ({
  ...{ chain: 'plain', method: 'POST', url: '/', rawHeaders: [], headers: {}, client },
  body: Buffer.from(body),
});

/** Lets time pass until it is done. */
async function during<T>(clock: VirtualClock, work: Promise<T>): Promise<T> {
  let ended = false;
  const end = (): void => {
    ended = true;
  };
  work.then(end, end);
  await clock.run(() => ended, LONG_MS);
  return work;
}

const one = ({ post, clock }: Sample, body: string): Promise<Answer> => during(clock, post(body));

/** Sends them one behind the other, as a sender does that waits for its answers. */
async function postInTurn(sample: Sample, count: number): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (let n = 0; n < count; n++) answers.push(await one(sample, `body ${n}`));
  return answers;
}

const kindsOf = (answers: readonly Answer[]): (string | number)[][] => answers.map(([answer, ms]) => [answer, ms]);
const eventsOf = (answers: readonly Answer[]): string[] => answers.map(([, , event]) => event);

describe.each<[Mood, number]>([
  ['blocked', 0],
  ['disconnected', 0],
  ['robbed', 0],
  ['silent', LIMIT_MS],
  ['mute', LIMIT_MS],
])('a broker that is %s', (mood, firstMs) => {
  test('costs the first request its time at most; all are spooled, and drained in order when it is back', async () => {
    const sample = await openSample();
    const before = await postInTurn(sample, 2);
    sample.become(mood);
    const during = await postInTurn(sample, 1300);
    expect(kindsOf(during)).toEqual([['spool', firstMs], ...Array(1299).fill(['spool', 0])]);
    sample.become('connected');
    await sample.clock.advance(LONG_MS);
    const after = await postInTurn(sample, 2);
    expect(kindsOf([...before, ...after])).toEqual(Array(4).fill(['broker', 0]));
    expect(await sample.arrived()).toEqual(eventsOf([...before, ...during, ...after]));
    expect(sample.disk.files.size).toBe(0);
  });

  test('is asked by one request at a time while it is away, ever more seldom', async () => {
    const sample = await openSample();
    sample.become(mood);
    await postInTurn(sample, 20);
    sample.asked.length = 0;
    await sample.clock.advance(60_000);
    expect(sample.asked.length).toBeGreaterThan(2);
    expect(sample.asked.length).toBeLessThan(30);
  });

  test('and a process that dies: the next one drains what was answered', async () => {
    const sample = await openSample();
    sample.become(mood);
    const answers = await postInTurn(sample, 5);
    await sample.restart();
    answers.push(...(await postInTurn(sample, 5)));
    expect(kindsOf(answers).map(([answer]) => answer)).toEqual(Array(10).fill('spool'));
    sample.become('connected');
    await sample.clock.advance(LONG_MS);
    expect(await sample.arrived()).toEqual(eventsOf(answers));
  });
});

test('the requests of a sender arrive in the order of their answers while the broker comes and goes', async () => {
  const sample = await openSample();
  const answers: Answer[] = [];
  for (const mood of ['connected', 'mute', 'connected', 'blocked', 'connected', 'silent', 'connected'] as const) {
    sample.become(mood);
    // So many that some come while the spool is drained.
    for (let n = 0; n < 5; n++) {
      answers.push(...(await postInTurn(sample, 60)));
      await sample.clock.advance(40);
    }
  }
  await sample.clock.advance(LONG_MS);
  expect(new Set(answers.map(([answer]) => answer))).toEqual(new Set(['broker', 'spool']));
  expect(await sample.arrived()).toEqual(eventsOf(answers));
});

test('a capture that is busy all the time gets done with its spool', async () => {
  const sample = await openSample({ plan: seededPlan(seededRandom(3), { ...noFaults, maxDelayMs: 50 }) });
  sample.become('blocked');
  await postInTurn(sample, 1500);
  sample.become('connected');
  // Ten senders; each sends again when it has its answer.
  let open = true;
  const last: (string | undefined)[] = [];
  const sender = async (n: number): Promise<void> => {
    for (; open; await sample.clock.sleep(10)) [last[n]] = await sample.post('x');
  };
  for (let n = 0; n < 10; n++) void sender(n);
  const done = await sample.clock.run(() => last.length === 10 && last.every((answer) => answer === 'broker'), LONG_MS);
  open = false;
  expect(done).toBe(true);
});

const noFaults = { failBefore: 0, failAfter: 0, crashBefore: 0, crashAfter: 0, maxDelayMs: 0, named: {} };

test.each([1, 2, 3, 4, 5])('a broker that fails by plan %i: what is answered arrives once, in order, and nothing else', async (seed) => {
  const rates = { ...noFaults, failBefore: 0.1, failAfter: 0.1, maxDelayMs: 1500, named: { disconnect: 0.05, 'part-publish': 0.5 } };
  let stormy = true;
  const sample = await openSample({ plan: seededPlan(seededRandom(seed), rates, () => stormy) });
  const answers: Answer[] = [];
  for (; answers.length < 200; await sample.clock.advance(500)) answers.push(await one(sample, 'x'));
  stormy = false;
  await sample.clock.advance(LONG_MS);
  const taken = new Set(answers.map(([answer]) => answer));
  expect(taken).toEqual(new Set(['broker', 'spool']));
  expect(await sample.arrived()).toEqual(eventsOf(answers));
});

/** A disk that behaves as set from then on. */
function diskOf(): { readonly disk: MemoryDisk; next: Partial<Decision> } {
  const plan: FaultPlan = {
    decide: () => ({ outcome: 'ok', delayMs: 0, answerMs: 0, ...told.next }),
    chance: () => false,
    random: () => 0,
  };
  const told = { disk: new MemoryDisk({ plan }), next: {} };
  return told;
}

describe('a spool that takes no more', () => {
  test('is an error at once; there is room again when it is drained', async () => {
    const sample = await openSample({ settings: { spoolRequests: 3 } });
    sample.become('blocked');
    expect(kindsOf(await postInTurn(sample, 4))).toEqual([
      ['spool', 0],
      ['spool', 0],
      ['spool', 0],
      ['SPOOL_FULL', 0],
    ]);
    expect(sample.health.report().checks).toMatchObject({
      spool: { ok: false, detail: expect.stringContaining('SPOOL_FULL: 3 requests') },
      broker: { ok: false },
    });
    expect(await sample.metric('blockhub_capture_spool_refused_total')).toBe(1);
    sample.become('connected');
    await sample.clock.advance(LONG_MS);
    expect(sample.health.report().checks.spool).toEqual({ ok: true, detail: 'empty' });
    expect(kindsOf(await postInTurn(sample, 1))).toEqual([['broker', 0]]);
  });

  test('because its disk failed once is ready again by itself: without readiness no request might come', async () => {
    const disk = diskOf();
    const sample = await openSample(disk);
    sample.become('blocked');
    disk.next = { outcome: 'fail-before' };
    expect(kindsOf(await postInTurn(sample, 1))).toEqual([['SPOOL_UNAVAILABLE', 0]]);
    expect(sample.health.ready()).toBe(false);
    disk.next = {};
    await sample.clock.advance(5000);
    expect(sample.health.ready()).toBe(true);
    expect(kindsOf(await postInTurn(sample, 1))).toEqual([['spool', 0]]);
  });
});

test('a disk that is slow costs its sender time, and only one that does not answer at all a refusal', async () => {
  const disk = diskOf();
  const sample = await openSample({ ...disk, settings: { spoolTimeout: 6000 } });
  sample.become('silent');
  expect(kindsOf(await postInTurn(sample, 1))).toEqual([['spool', LIMIT_MS]]);
  // The file is there: its bytes, then their sync.
  disk.next = { delayMs: 2500 };
  expect(kindsOf(await postInTurn(sample, 1))).toEqual([['spool', 5000]]);
  disk.next = { delayMs: 10_000 };
  expect(kindsOf(await postInTurn(sample, 1))).toEqual([['CAPTURE_UNCONFIRMED', 6000]]);
  // Others may go elsewhere, for a while.
  expect(sample.health.report().checks.spool).toMatchObject({ ok: false, detail: expect.stringContaining('CAPTURE_UNCONFIRMED') });
  await sample.clock.advance(5000);
  expect(sample.health.ready()).toBe(true);
});

test('while the broker is away, readiness and metrics tell of the spool, and it is ready', async () => {
  const sample = await openSample();
  sample.become('blocked');
  await postInTurn(sample, 3);
  await sample.clock.advance(30_000);
  expect(sample.health.report()).toMatchObject({
    ready: true,
    checks: {
      spool: { ok: true, detail: expect.stringMatching(/^3 requests, \d+ bytes, waits: BROKER_UNAVAILABLE$/) },
      broker: { ok: true, detail: 'blocked, requests are spooled' },
    },
  });
  expect(await sample.metric('blockhub_capture_spool_requests')).toBe(3);
  expect(await sample.metric('blockhub_capture_spool_bytes')).toBeGreaterThan(300);
  expect(await sample.metric('blockhub_capture_spool_oldest_seconds')).toBe(30);
  sample.become('connected');
  await sample.clock.advance(LONG_MS);
  expect(await sample.metric('blockhub_capture_spool_requests')).toBe(0);
  expect(await sample.metric('blockhub_capture_spool_oldest_seconds')).toBe(0);
  expect(await sample.metric('blockhub_capture_spool_drained_total')).toBe(3);
});

describe('a large body', () => {
  test('is in the store, and only its message is spooled, while the broker is away', async () => {
    const sample = await openSample({ settings: { messageLimit: 4 } });
    sample.become('blocked');
    const answers = await postInTurn(sample, 2);
    expect([...sample.disk.files.values()].some(({ bytes }) => bytes.includes('body 1'))).toBe(false);
    sample.become('connected');
    await sample.clock.advance(LONG_MS);
    expect(await sample.arrived()).toEqual(eventsOf(answers));
  });

  test('is spooled while the store is away, and goes there before its message', async () => {
    const sample = await openSample({ settings: { messageLimit: 8 } });
    const keep = sample.store.keep.bind(sample.store);
    sample.store.keep = () => new Promise(() => {});
    const [large, next, small] = [await one(sample, 'a large body'), await one(sample, 'another large one'), await one(sample, 'small')];
    // The second one does not wait for a store that is known to be away, and a small one must not
    // get ahead of them.
    expect(kindsOf([large, next, small])).toEqual([
      ['spool', LIMIT_MS],
      ['spool', 0],
      ['spool', 0],
    ]);
    expect(await sample.arrived()).toEqual([]);
    sample.store.keep = keep;
    await sample.clock.advance(LONG_MS);
    expect(await sample.arrived()).toEqual(eventsOf([large, next, small]));
    expect(kindsOf([await one(sample, 'a third large one')])).toEqual([['broker', 0]]);
  });
});
