import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openBroker } from '@blockhub/broker';
import { deadLetter, keepDeadLetter, queues } from '@blockhub/message';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { blockhubHere, linesOf, type Ran } from './blockhub.fixture.ts';

const event = '01a22e5c-295a-71bc-b8a9-8f7c65210830';
const chain = 'ab12'.repeat(16);
let data: string;
const ran = (...args: string[]): Promise<Ran> => blockhubHere(['dead-letter', ...args, '--data', data], { env: {} });

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'blockhub-dead-'));
  const broker = await openBroker(`sqlite://${join(data, 'broker.sqlite')}`);
  await broker.declare([{ name: queues.kept.name, kind: 'durable' }]);
  for (const [id, of] of [
    [event, chain],
    ['by-hand', 'orders'],
  ] as const) {
    const message = { id, queue: 'ingress', meta: { chain: of }, body: Buffer.from('x'), attempts: 1, firstAt: 1 };
    await broker.publish([keepDeadLetter(deadLetter(message, { code: 'MESSAGE_INVALID', message: 'no hash', now: 2 }))]);
  }
  await broker.close();
});
afterAll(() => rm(data, { recursive: true }));

test.each<[string, (id: string) => string]>([
  ['as it is', (id) => id],
  ['in capitals', (id) => id.toUpperCase()],
  ['in braces', (id) => `{${id}}`],
  ['in quotes', (id) => `"${id.toUpperCase()}",`],
  ['with blanks', (id) => ` ${id}\n`],
])('a letter is found by its id and chain %s', async (_, write) => {
  for (const id of [event, event.replaceAll('-', ''), `urn:uuid:${event}`])
    expect(linesOf(await ran('show', write(id)))).toMatchObject([{ id: event }]);
  for (const id of [chain, `sha256:${chain}`])
    expect(linesOf(await ran('list', '--chain', write(id))).map((letter) => letter.id)).toEqual([event]);
});

test('other ids and names stay as they are', async () => {
  expect(linesOf(await ran('show', 'by-hand'))).toMatchObject([{ id: 'by-hand' }]);
  expect(linesOf(await ran('list', '--chain', 'orders'))).toMatchObject([{ id: 'by-hand' }]);
  expect((await ran('show', 'by-foot')).code).toBe(4);
  expect(await ran('list', '--chain', 'missing')).toEqual({ code: 0, stdout: '', stderr: '' });
});

test.each<[string, string, RegExp]>([
  ['show', `${event}0`, /has 33 hex digits/],
  ['show', event.replace('0', 'O'), /"O" at position 1/],
  ['replay', `${event.slice(0, 20)}…`, /cut off/],
])('%s of an id with a slip: %s', async (command, id, why) => {
  expect(await ran(command, id)).toMatchObject({ code: 2, stderr: expect.stringMatching(why) });
});

test('a chain with a slip', async () => {
  for (const args of [['list'], ['replay'], ['discard', '--reason', 'x']])
    expect(await ran(...args, '--chain', chain.slice(1))).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/--chain: .* has 63 hex digits/),
    });
});
