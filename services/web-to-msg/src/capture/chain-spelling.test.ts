import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type CaptureServer, startCapture } from '../capture-server.fixture.ts';

let server: CaptureServer;
beforeAll(async () => {
  server = await startCapture();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

const post = async (chain: string): Promise<{ status: number; body: Record<string, string> }> => {
  const answer = await fetch(`${server.url}/append/chain/${encodeURIComponent(chain)}`, { method: 'POST', body: 'x' });
  return { status: answer.status, body: (await answer.json()) as Record<string, string> };
};

test.each<[string, (id: string) => string]>([
  ['capitals', (id) => id.toUpperCase()],
  ['mixed case', (id) => id.slice(0, 20).toUpperCase() + id.slice(20)],
  ['braces', (id) => `{${id}}`],
  ['blanks', (id) => ` ${id} `],
  ['a line break', (id) => `${id}\r\n`],
  ['quotes', (id) => `"${id}"`],
  ['the name of its hash', (id) => `${id.length === 32 ? 'md5' : 'sha256'}:${id}`],
])('the path of a request takes an id with %s', async (_, write) => {
  for (const id of [server.chains.plain, server.chains.old]) {
    const { status, body } = await post(write(id));
    expect([status, body.chain]).toEqual([201, id]);
  }
});

test.each<[string, (id: string) => string, number, RegExp]>([
  ['a digit too few', (id) => id.slice(1), 400, /63 hex digits/],
  ['a digit too many', (id) => `${id}0`, 400, /65 hex digits/],
  ['a letter O', (id) => `${id.slice(0, 9)}O${id.slice(10)}`, 400, /"O" at position 10/],
  ['its end cut off', (id) => `${id.slice(0, 9)}…`, 400, /is cut off/],
  ['other digits', (id) => id.split('').reverse().join(''), 404, /There is no chain/],
  ['few digits', (id) => id.slice(0, 12), 404, /There is no chain/],
])('and says what is wrong with one that has %s', async (_, write, status, detail) => {
  const answer = await post(write(server.chains.plain));
  expect([answer.status, answer.body.detail]).toEqual([status, expect.stringMatching(detail)]);
});
