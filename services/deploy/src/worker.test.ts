import { hashOf, type Meta, newEvent, type Receipt } from '@blockhub/chain';
import { type DeadLetter, readDeadLetter, replayDeadLetter, writeIngress } from '@blockhub/message';
import { parseSettings } from '@blockhub/settings';
import { createLogger } from '@blockhub/telemetry';
import { type TestMessage, type TestWorker, testWorker } from '@blockhub/worker';
import { afterEach, describe, expect, test } from '@jest/globals';
import { worker } from './worker.ts';

const chains = ['a'.repeat(64), 'b'.repeat(64)] as const;
const out = 'blobs.deployed.{partition(msg.meta.chain)}';
const deployed = 'blobs.deployed.0';
const blobs = { in: 'ingress', out };
const packed = { ...blobs, pack: true, packTtl: 5, ownObject: 1000 };

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
let count = 0;

function capture(
  text: string,
  { chain = chains[0], mime = 'text/plain', ...more }: Partial<Record<'chain' | 'mime' | 'hash' | 'at', string>> = {},
): TestMessage {
  const body = Buffer.from(text);
  const event = newEvent(1_700_000_000_000 + count++, Buffer.alloc(10, count));
  const { id, meta } = writeIngress({
    event,
    chain,
    createdAt: 1,
    crypt: 'sha256',
    hash: hashOf('sha256', body),
    length: body.length,
    meta: { mime },
    body,
    ...more,
  });
  return { id, meta, body: more.at === undefined ? body : '' };
}

function captureMd5(body: Buffer): TestMessage & { meta: Meta } {
  const event = newEvent(1_700_000_000_000 + count++, Buffer.alloc(10, count));
  const [hash, sha256] = [hashOf('md5', body), hashOf('sha256', body)];
  const [chain, length] = ['c'.repeat(32), body.length];
  const { id, meta } = writeIngress({ event, chain, createdAt: 1, crypt: 'md5', hash, sha256, length, meta: {}, body });
  return { id, meta, body };
}

/** Two bodies with the same md5, found by Wang and Yu in 2004: six bits make the difference. */
const sameMd5 = [[], [19, 45, 59, 83, 109, 123]].map((flipped) => {
  const body = Buffer.from(
    'd131dd02c5e6eec4693d9a0698aff95c2fcab58712467eab4004583eb8fb7f8955ad340609f4b30283e488832571415a085125e8f7cdc99fd91dbdf280373c5b' +
      'd8823e3156348f5bae6dacd436c919c6dd53e2b487da03fd02396306d248cda0e99f33420f577ee8ce54b67080a80d1ec69821bcb6a8839396f9652b6ff72a70',
    'hex',
  );
  for (const at of flipped) body[at] = (body[at] ?? 0) ^ 0x80;
  return body;
}) as [Buffer, Buffer];

let deploy: TestWorker;
afterEach(() => deploy.stop());

async function receipts(): Promise<Receipt[]> {
  const messages = await deploy.queue(deployed);
  return messages.flatMap(({ body, meta }) => {
    const list = JSON.parse(body.toString()) as Receipt[];
    expect(meta.items).toBe(list.length);
    return list;
  });
}

const bodyOf = async ({ at, length }: Receipt): Promise<string> =>
  (await deploy.store.get(at.key, at.offset === undefined ? undefined : { offset: at.offset, length })).toString();

const deadCodes = async (): Promise<string[]> => (await deploy.queue('dead-letter')).map((message) => readDeadLetter(message).code);

describe('packs', () => {
  test('many small bodies are one object; receipts come as one message per chain', async () => {
    deploy = await testWorker(worker, { settings: packed });
    const messages = [capture('one'), capture('two', { chain: chains[1] }), capture(''), capture('three')];
    await deploy.publish('ingress', ...messages);
    await deploy.run(10);
    expect(deploy.store.requests.create).toBe(1);
    const queued = await deploy.queue(deployed);
    expect(queued.map(({ meta }) => meta)).toEqual([
      { chain: chains[0], items: 3 },
      { chain: chains[1], items: 1 },
    ]);
    const all = await receipts();
    expect(await Promise.all(all.map(bodyOf))).toEqual(['one', '', 'three', 'two']);
    expect(all.map(({ event }) => event)).toEqual([messages[0], messages[2], messages[3], messages[1]].map((message) => message?.id));
    expect(all[0]?.meta).toEqual({ mime: 'text/plain' });
  });

  test('receipts go on with the trace of a sampled event, and each names its own', async () => {
    deploy = await testWorker(worker, { settings: packed });
    const traces = ['aa-00', 'bb-01', 'cc-01'].map((it) => `00-${it.slice(0, 2).repeat(16)}-${'d'.repeat(16)}-${it.slice(3)}`);
    const messages = traces.map((traceparent) => {
      const { id, meta, body } = capture('hello');
      return { ...(id !== undefined && { id }), meta: { ...meta, traceparent }, body };
    });
    await deploy.publish('ingress', ...messages, capture('no trace'));
    await deploy.run(1000);
    expect((await deploy.queue(deployed)).map(({ meta }) => meta.traceparent)).toEqual([traces[1]]);
    expect((await receipts()).map(({ meta }) => meta.traceparent)).toEqual([...traces, undefined]);
  });

  test('a large body is an object of its own', async () => {
    deploy = await testWorker(worker, { settings: packed });
    const large = 'x'.repeat(1000);
    await deploy.publish('ingress', capture(large), capture('small'));
    await deploy.run(10);
    const [first, second] = await receipts();
    expect(first?.at).toEqual({ key: `blobs/${hashOf('sha256', Buffer.from(large))}.blob` });
    expect(second?.at.offset).toBe(0);
  });

  test('two large bodies of one md5 are two objects', async () => {
    deploy = await testWorker(worker, { settings: { ...packed, ownObject: 100 } });
    const [one, two] = [captureMd5(sameMd5[0]), captureMd5(sameMd5[1])];
    expect(one.meta.hash).toBe(two.meta.hash);
    await deploy.publish('ingress', one, two);
    await deploy.run(10);
    const places = (await receipts()).map(({ at, sha256 }) => [at, sha256]);
    expect(places).toEqual(sameMd5.map((body) => [{ key: `blobs/${hashOf('sha256', body)}.blob` }, hashOf('sha256', body)]));
    expect(await deadCodes()).toEqual([]);
  });

  test('a body that is already in the store only gets its receipt', async () => {
    deploy = await testWorker(worker, { settings: packed });
    await deploy.publish('ingress', capture('long ago', { at: 'blobs/there.blob' }));
    await deploy.run(10);
    expect((await receipts())[0]).toMatchObject({ at: { key: 'blobs/there.blob' }, length: 8 });
    expect(deploy.store.requests.create).toBe(0);
  });

  test('a body without its hash, and a message that is not an event, are refused alone', async () => {
    deploy = await testWorker(worker, { settings: packed });
    const wrong = capture('wrong', { hash: 'f'.repeat(64) });
    await deploy.publish('ingress', capture('right'), wrong, { ...capture('no event'), id: 'x' });
    await deploy.run(10);
    expect(await receipts()).toHaveLength(1);
    expect((await deadCodes()).sort()).toEqual(['MESSAGE_INVALID', 'OBJECT_HASH_MISMATCH']);
  });

  test('other bytes at the key of a large body refuse only that one', async () => {
    deploy = await testWorker(worker, { settings: packed });
    const large = 'y'.repeat(2000);
    await deploy.store.create(`blobs/${hashOf('sha256', Buffer.from(large))}.blob`, Buffer.from('other'));
    await deploy.publish('ingress', capture(large), capture('small'));
    await deploy.run(10);
    expect(await receipts()).toHaveLength(1);
    expect(await deadCodes()).toEqual(['OBJECT_EXISTS']);
  });

  test('packs that took long to write make the next ones wait for more, as long as they may', async () => {
    let writeMs = 150;
    deploy = await testWorker(worker, { settings: { ...packed, packRest: 200 } });
    const create = deploy.store.create.bind(deploy.store);
    deploy.store.create = async (...args) => {
      const made = await create(...args);
      await deploy.clock.sleep(writeMs);
      return made;
    };
    const packs = async (): Promise<number> => (await Array.fromAsync(deploy.store.list('packs'))).length;
    const after = async (ms: number, text: string): Promise<number> => {
      await deploy.publish('ingress', capture(text));
      await deploy.run(ms);
      return packs();
    };
    expect(await after(5, 'one')).toBe(1);
    await deploy.run(writeMs);
    writeMs = 1;
    expect([await after(100, 'two'), await after(99, 'three'), await after(1, 'four')]).toEqual([1, 1, 2]);
    await deploy.run(writeMs);
    expect(await after(5, 'five')).toBe(3);
    await deploy.run(writeMs);
    expect(await receipts()).toHaveLength(5);
  });

  const captureIn = (ms: number): TestMessage => ({ ...capture(`in ${ms}`), id: newEvent(deploy.clock.now() + ms, Buffer.alloc(10)) });
  const taken = async (): Promise<string[]> => (await receipts()).map(({ event }) => event);

  test('an event from too far ahead waits alone until its time is near', async () => {
    deploy = await testWorker(worker, { settings: { ...packed, packTtl: 0 } });
    const [just, ahead, day] = [5 * MINUTE, 5 * MINUTE + 1, DAY + 5 * MINUTE].map(captureIn) as [TestMessage, TestMessage, TestMessage];
    await deploy.publish('ingress', just, ahead, day, capture('now'));
    await deploy.run(0);
    expect(await taken()).toEqual([just.id, expect.any(String)]);
    await deploy.run(1);
    expect(await taken()).toContain(ahead.id);
    await deploy.run(DAY - 2);
    expect(await taken()).toHaveLength(3);
    await deploy.run(1);
    expect(await taken()).toContain(day.id);
    expect(await deadCodes()).toEqual([]);
  });

  test.each([
    [7 * MINUTE + 40_000, '8 min'],
    [20 * MINUTE, '20 min'],
    [5 * HOUR + 1, '6 h'],
  ])('an event from too far ahead (%d ms) is counted, and a line says how far, until when and what to do', async (ms, ahead) => {
    const lines: string[] = [];
    const log = createLogger({ name: 'deploy', stream: { write: (line) => lines.push(line) } });
    deploy = await testWorker(worker, { settings: { ...packed, packTtl: 0 }, log });
    await deploy.publish('ingress', captureIn(ms), captureIn(ms - 1));
    await deploy.run(2_000);
    expect(await deploy.metrics.text()).toContain('blockhub_put_off_messages{worker="deploy",why="asked"} 2');
    const told = lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg.startsWith('messages wait for longer'));
    expect(told).toEqual([
      expect.objectContaining({
        messages: 2,
        reason: `the event's time is ${ahead} ahead of this machine's clock, and at most 5 min is allowed; it is retried until then`,
        fix: expect.stringMatching(/NTP.*--max-ahead/),
      }),
    ]);
  });

  test('an event from too far ahead is taken within the hour in which the clock is set right', async () => {
    deploy = await testWorker(worker, { settings: { ...packed, packTtl: 0 } });
    const ahead = captureIn(DAY);
    await deploy.publish('ingress', ahead);
    await deploy.run(0);
    deploy.clock.step(DAY);
    await deploy.run(HOUR);
    expect(await taken()).toEqual([ahead.id]);
  });

  test('an event that would wait for more than a day is refused alone, and taken when it is replayed in time', async () => {
    deploy = await testWorker(worker, { settings: { ...packed, packTtl: 0 } });
    const ahead = captureIn(DAY + 5 * MINUTE + 1);
    await deploy.publish('ingress', ahead, capture('now'));
    await deploy.run(0);
    expect(await receipts()).toHaveLength(1);
    const [dead] = (await deploy.queue('dead-letter')).map(readDeadLetter);
    expect(dead).toMatchObject({
      code: 'EVENT_TIME_AHEAD',
      path: 'msg.id',
      message: expect.stringContaining('2026-01-02T00:05:00.001Z; by --max-ahead the latest time now is 2026-01-01T00:05:00.000Z'),
    });
    await deploy.run(1);
    const { queue: _, ...replayed } = replayDeadLetter(dead as DeadLetter);
    await deploy.publish('ingress', replayed);
    await deploy.run(DAY);
    expect(await taken()).toContain(ahead.id);
    expect(await deadCodes()).toHaveLength(1);
  });

  test('no clock may be asked to be as exact as the ids of a burst', () => {
    expect(() => worker.settings.maxAhead.parse('9s')).toThrow('10s');
    expect(worker.settings.maxAhead.parse('10s')).toBe(10_000);
  });

  test('the same batch again finds its pack there', async () => {
    deploy = await testWorker(worker, { settings: packed });
    const message = capture('again');
    await deploy.publish('ingress', message);
    await deploy.run(10);
    await deploy.publish('ingress', message);
    await deploy.run(10);
    const [first, second] = await receipts();
    expect(second).toEqual(first);
    expect(await deadCodes()).toEqual([]);
  });
});

describe('one by one', () => {
  test('identical bytes at the key are a success, other bytes are not', async () => {
    deploy = await testWorker(worker, { settings: { ...blobs, key: 'files/{msg.meta.mime}' } });
    await deploy.publish('ingress', capture('same', { mime: 'a' }), capture('same', { mime: 'a' }), capture('other', { mime: 'a' }));
    await deploy.run(10);
    expect((await receipts()).map(({ at }) => at)).toEqual([{ key: 'files/a' }, { key: 'files/a' }]);
    expect(await deadCodes()).toEqual(['OBJECT_EXISTS']);
  });

  test('rewrite replaces', async () => {
    deploy = await testWorker(worker, { settings: { ...blobs, key: 'files/{msg.meta.mime}', rewrite: true, readBack: true } });
    await deploy.publish('ingress', capture('old'), capture('new'));
    await deploy.run(10);
    expect((await deploy.store.get('files/text/plain')).toString()).toBe('new');
  });

  test('types that are not allowed are refused', async () => {
    deploy = await testWorker(worker, { settings: { ...blobs, mime: ['image/*', 'text/plain'] } });
    await deploy.publish(
      'ingress',
      capture('1', { mime: 'IMAGE/png' }),
      capture('2', { mime: 'text/plain; charset=utf-8' }),
      capture('3', { mime: 'text/html' }),
    );
    await deploy.run(10);
    expect(await receipts()).toHaveLength(2);
    expect(await deadCodes()).toEqual(['OBJECT_INVALID_MIME']);
  });
});

describe('passing on', () => {
  const pass = { in: 'in', out: 'out', key: 'blocks/{msg.meta.block}.block', body: 'pass', identity: 'first-line' } as const;

  test('the message goes on as it is', async () => {
    deploy = await testWorker(worker, { settings: pass });
    await deploy.publish('in', { id: 'm', meta: { block: 'b', tailsTo: 't' }, body: 'line\nbeside\n' });
    await deploy.run(10);
    const [message] = await deploy.queue('out');
    expect(message).toMatchObject({ id: 'm', meta: { block: 'b', tailsTo: 't' } });
    expect((await deploy.store.get('blocks/b.block')).toString()).toBe('line\nbeside\n');
  });

  test('without a template the key is the sha256 of the body', async () => {
    deploy = await testWorker(worker, { settings: { in: 'in', out: 'out', body: 'pass' } });
    await deploy.publish('in', { id: 'm', body: 'body' });
    await deploy.run(10);
    expect((await deploy.store.get(`blobs/${hashOf('sha256', Buffer.from('body'))}.blob`)).toString()).toBe('body');
    expect(await deploy.queue('out')).toHaveLength(1);
  });

  test('of two tries with the same first line the stored one goes on', async () => {
    deploy = await testWorker(worker, { settings: pass });
    await deploy.store.create('blocks/b.block', Buffer.from('line\nfirst\n'));
    await deploy.publish('in', { meta: { block: 'b' }, body: 'line\nsecond\n' });
    await deploy.run(10);
    const [message] = await deploy.queue('out');
    expect(message?.body.toString()).toBe('line\nfirst\n');
    expect(message?.meta).toMatchObject({ length: 11, hash: hashOf('sha256', Buffer.from('line\nfirst\n')) });
  });

  test('another first line is another object', async () => {
    deploy = await testWorker(worker, { settings: pass });
    await deploy.store.create('blocks/b.block', Buffer.from('other\nfirst\n'));
    await deploy.publish('in', { meta: { block: 'b' }, body: 'line\nfirst\n' });
    await deploy.run(10);
    expect(await deadCodes()).toEqual(['OBJECT_EXISTS']);
  });

  test('packs give receipts only', async () => {
    deploy = await testWorker(worker, { settings: pass });
    await expect(testWorker(worker, { settings: { ...pass, pack: true } })).rejects.toMatchObject({ code: 'SETTINGS_INVALID' });
  });
});

describe('where from and where to', () => {
  const read = (env: Record<string, string>) => () => parseSettings(worker.settings, { argv: [], env });

  test('have to be said: a misspelt variable takes no default', () => {
    expect(read({ BLOCKHUB_OUTT: out })).toThrow(
      /^3 mistakes in the settings:\n.*\bin \(--in, BLOCKHUB_IN\): is required.*\n.*\bout \(--out, BLOCKHUB_OUT\): is required.*\n.*did you mean BLOCKHUB_OUT\?/,
    );
    expect(read({ BLOCKHUB_IN: 'ingress', BLOCKHUB_OUT: out })()).toMatchObject(blobs);
  });

  test('none is nowhere: what is captured is stored, and nothing is published', async () => {
    deploy = await testWorker(worker, { settings: { ...packed, out: 'none', packTtl: 0 } });
    await deploy.publish('ingress', capture('one'), capture('two'));
    await deploy.run(10);
    expect(await Array.fromAsync(deploy.store.list('packs'))).toHaveLength(1);
    const queues = await deploy.broker.queues();
    expect(queues.map(({ name }) => name)).not.toContain('none');
    expect(queues.filter(({ ready, delayed, unacked }) => (ready ?? 0) + (delayed ?? 0) + (unacked ?? 0) > 0)).toEqual([]);
  });

  test('none is nowhere for messages that would pass, too', async () => {
    deploy = await testWorker(worker, { settings: { in: 'in', out: 'none', body: 'pass' } });
    await deploy.publish('in', { id: 'm', body: 'body' });
    await deploy.run(10);
    expect((await deploy.store.get(`blobs/${hashOf('sha256', Buffer.from('body'))}.blob`)).toString()).toBe('body');
    expect(await deadCodes()).toEqual([]);
  });
});
