import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { minio, rabbitmq } from '@blockhub/test-servers';
import { afterAll, afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { blockhub, blockhubHere, linesOf, slowClock } from './blockhub.fixture.ts';

let data = '';
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'blockhub-setup-'));
});
afterEach(() => rm(data, { recursive: true }));

describe('setup', () => {
  test('makes what is missing, and changes nothing when it comes again', async () => {
    const env = { BLOCKHUB_DATA: join(data, 'new') };
    const first = await blockhub(['setup', '--partitions', '3'], { env });
    expect(first).toMatchObject({ code: 0 });
    const [made] = linesOf(first);
    expect(made).toMatchObject({ name: 'default', created: true });
    expect(linesOf(await blockhub(['setup', '--with', 'chain'], { env: { ...env, BLOCKHUB_PARTITIONS: '3' } }))[0]).toEqual({
      ...made,
      created: false,
    });
    const queues = linesOf(await blockhub(['queues'], { env })).map(({ name }) => name);
    expect(queues).toEqual(expect.arrayContaining(['ingress', 'blobs.deployed.2', 'dead-letter.kept']));
    expect(queues).not.toContain('blobs.deployed.3');
  });

  test('says which folder it cannot make', async () => {
    const ran = await blockhub(['setup'], { env: { BLOCKHUB_DATA: join(data, 'no', 'such', 'folder') } });
    expect(ran).toMatchObject({ code: 3, stderr: expect.stringMatching(/DATA_FOLDER_UNUSABLE: .*no\/such\/folder/) });
  });

  test('says which server did not come in time', async () => {
    const env = { BLOCKHUB_DATA: data, BLOCKHUB_BROKER: 'amqp://127.0.0.1:1' };
    const ran = await blockhubHere(['setup', '--wait', '2s', '--no-chain'], { env, clock: slowClock() });
    expect(ran).toMatchObject({ code: 3, stderr: expect.stringMatching(/^waiting for the .*^BROKER_UNAVAILABLE/ms), stdout: '' });
  });

  test.each([
    ['--partitions', 'many'],
    ['--wait', 'long'],
    ['--with', 'nothing'],
  ])('%s %s is a mistake', async (...words) => {
    expect(await blockhub(['setup', ...words], { env: { BLOCKHUB_DATA: data } })).toMatchObject({ code: 2 });
  });
});

const servers = await Promise.all([minio(), rabbitmq()]);
const [store, broker] = servers;
if ('absent' in store || 'absent' in broker) test.skip('setup of real servers (left out: Docker or servers are missing)', () => undefined);
else {
  afterAll(() => Promise.all(servers.map((server) => 'close' in server && server.close())));

  test('setup of real servers: bucket, queues and chain, by many at once', async () => {
    const env: Record<string, string> = {
      BLOCKHUB_STORE: store.url.replace(/\/[^/?]+\?/, `/setup-${Date.now()}?`),
      BLOCKHUB_BROKER: broker.url,
      ...(store.credentials && {
        BLOCKHUB_STORE_ACCESS_KEY: store.credentials.accessKey,
        BLOCKHUB_STORE_SECRET_KEY: store.credentials.secretKey,
      }),
    };
    const ran = await Promise.all([1, 2, 3].map(() => blockhub(['setup', '--partitions=2'], { env })));
    expect(ran.map(({ code }) => code)).toEqual([0, 0, 0]);
    const lines = ran.flatMap(linesOf);
    expect(new Set(lines.map(({ chain }) => chain)).size).toBe(1);
    expect(lines.filter(({ created }) => created)).toHaveLength(1);
    expect(await blockhub(['verify'], { env })).toMatchObject({ code: 0 });
  });
}

describe('doctor mesh', () => {
  async function listening(onRequest: RequestListener) {
    const server = createServer(onRequest);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const close = (): void => {
      server.close();
      server.closeAllConnections();
    };
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, [Symbol.dispose]: close };
  }

  const capture = (answer: () => [status: number, body: unknown]) =>
    listening((_, response) => {
      const [status, body] = answer();
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });

  test('waits until the event that it sent is in a block', async () => {
    const env = { BLOCKHUB_DATA: data };
    await blockhub(['create', 'default'], { env });
    const [{ event, height, block }] = linesOf(await blockhub(['append'], { env, stdin: 'hello' })) as [Record<string, unknown>];
    const passing = [429, 502, 503, 504];
    let broken = false;
    using server = await listening((_, response) => {
      const status = passing.shift() ?? 201;
      response.writeHead(status, { 'content-type': 'application/json' });
      if (status !== 201 || broken) response.end(JSON.stringify({ event }));
      else response.write('{', () => response.destroy());
      broken = status === 201;
    });
    const ran = await blockhubHere(['doctor', 'mesh', server.url], { env, clock: { ...slowClock(), ticks: () => 0 } });
    expect(ran).toMatchObject({ code: 0 });
    expect(linesOf(ran)[0]).toMatchObject({ event, block, height });
    expect([passing, broken]).toEqual([[], true]);
  });

  test('an event that comes into no block, and a response without a receipt, are failures', async () => {
    const env = { BLOCKHUB_DATA: data };
    await blockhub(['create', 'default'], { env });
    const event = '01900000-0000-7000-8000-000000000000';
    using server = await capture(() => [201, { event }]);
    const stalled = await blockhubHere(['doctor', 'mesh', server.url], { env, clock: slowClock() });
    expect(stalled).toMatchObject({ code: 3, stderr: expect.stringMatching(/^waiting for a block, .*^MESH_STALLED/ms), stdout: '' });
    using refusing = await capture(() => [403, { code: 'ACCESS_DENIED' }]);
    const refused = await blockhubHere(['doctor', 'mesh', refusing.url], { env, clock: slowClock() });
    expect(refused).toMatchObject({ code: 3, stderr: expect.stringMatching(/MESH_REFUSES.*403.*ACCESS_DENIED/) });
  });

  test.each(['localhost:8080', 'mesh', 'ftp://mesh', 'http://user:word@mesh'])('%s is a mistake', async (url) => {
    const ran = await blockhubHere(['doctor', 'mesh', url], { env: { BLOCKHUB_DATA: data } });
    expect(ran).toMatchObject({ code: 2, stderr: expect.stringMatching(/^USAGE: the URL must be http:.* such as http:/) });
    expect(ran.stderr).not.toContain('word');
  });

  test('a misspelt BLOCKHUB_TOKEN is a mistake; BLOCKHUB_TOKENS is what web-to-msg reads', async () => {
    using server = await capture(() => [403, { code: 'ACCESS_DENIED' }]);
    const env = { BLOCKHUB_DATA: data };
    await blockhub(['create', 'default'], { env });
    const ran = (more: Record<string, string>) =>
      blockhubHere(['doctor', 'mesh', server.url], { env: { ...env, ...more }, clock: slowClock() });
    expect(await ran({ BLOCKHUB_TOKNE: 'x' })).toMatchObject({ code: 2, stderr: expect.stringContaining('did you mean BLOCKHUB_TOKEN?') });
    expect(await ran({ BLOCKHUB_TOKENS: 'x' })).toMatchObject({ stderr: expect.stringContaining('MESH_REFUSES') });
  });

  // Less than one request may take.
  test('one that takes and says nothing is waited for until --wait is over, or Ctrl-C', async () => {
    const env = { BLOCKHUB_DATA: data };
    await blockhub(['create', 'default'], { env });
    using silent = await listening(() => {});
    const over = await blockhubHere(['doctor', 'mesh', silent.url, '--wait', '1ms'], { env });
    expect(over).toMatchObject({ code: 3, stderr: expect.stringMatching(/MESH_UNAVAILABLE: .* does not answer/) });
    const interrupt = new AbortController();
    using interrupting = await listening(() => interrupt.abort());
    const interrupted = await blockhubHere(['doctor', 'mesh', interrupting.url], { env, signal: interrupt.signal });
    expect(interrupted).toMatchObject({ code: 130 });
  }, 15_000);
});
