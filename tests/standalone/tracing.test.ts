import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CollectedSpan, type Collector, collector } from '@blockhub/test-servers';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { blockhub, freePort, quiet, type Standalone, startStandalone } from './standalone.ts';

const traceIds = ['0af7651916cd43dd8448eb211c80319c', '1bf7651916cd43dd8448eb211c80319d', '2cf7651916cd43dd8448eb211c80319e'];
const traceparentOf = (traceId: string, flags = '01'): string => `00-${traceId}-b7ad6b7169203331-${flags}`;
/** Every stage between a request and its chain, and then the notice. */
const stages = [
  'POST /append/chain/:chain',
  'send ingress',
  'process ingress',
  'send blobs.deployed.0',
  'process blobs.deployed.0',
  'send blobs.grouped.0',
  'process blobs.grouped.0',
  'send blocks.staged.0',
  'process blocks.staged.0',
  'send blocks.newblockcreated',
  'process blocks.newblockcreated',
  'send blocks.newblocksaved.0',
  'process blocks.newblocksaved.0',
  'send blocks.committed',
  'process blocks.committed',
];

let data: string;
let spans: Collector;
let mesh: Standalone | undefined;
beforeEach(async () => {
  data = mkdtempSync(join(tmpdir(), 'blockhub-trace-'));
  spans = await collector();
});
afterEach(async () => {
  mesh?.process.kill('SIGKILL');
  mesh = undefined;
  await spans.close();
  rmSync(data, { recursive: true, force: true });
});

async function start(env: Record<string, string>, ...more: string[]): Promise<Standalone> {
  mesh = await startStandalone(data, { port: await freePort(), probePort: await freePort() }, more, env);
  return mesh;
}

async function post(traceparent?: string): Promise<string> {
  const headers = traceparent === undefined ? {} : { traceparent };
  const answer = await fetch(`${mesh?.url}/append/chain/default`, { method: 'POST', body: 'hello', headers });
  expect(answer.status).toBe(201);
  return ((await answer.json()) as { event: string }).event;
}

/** Ends the process, which then exports the remaining spans. */
async function end(): Promise<CollectedSpan[]> {
  await quiet(data);
  mesh?.process.kill('SIGTERM');
  expect(await mesh?.ended).toBe(0);
  return spans.spans;
}

interface Blob {
  readonly event: string;
  readonly about?: string;
  readonly traceparent?: string;
}

async function blobs(): Promise<Blob[]> {
  const { stdout } = await blockhub('walk', 'default', '--data', data, '--output', 'json');
  return (JSON.parse(stdout) as { blobs: Blob[] }[]).flatMap((block) => block.blobs);
}

const ofTrace = (all: readonly CollectedSpan[], traceId: string): CollectedSpan[] => all.filter((span) => span.traceId === traceId);

describe('an endpoint of OTLP is set', () => {
  test('an event has a span of its trace for each stage until its block, and its receipt names the trace', async () => {
    await start({ OTEL_EXPORTER_OTLP_ENDPOINT: spans.url });
    const [traceId = ''] = traceIds;
    const event = await post(traceparentOf(traceId));
    const trace = ofTrace(await end(), traceId);
    expect(new Set(trace.map(({ name }) => name))).toEqual(new Set(stages));
    // One tree, whose root is a child of the sender's span.
    const ids = new Set(trace.map(({ spanId }) => spanId));
    expect(trace.filter(({ parentId }) => !ids.has(parentId)).map(({ name, parentId }) => [name, parentId])).toEqual([
      [stages[0], 'b7ad6b7169203331'],
    ]);
    expect(new Set(trace.map(({ service }) => service))).toEqual(new Set(['standalone']));
    const of = (name: string): CollectedSpan['attributes'] | undefined => trace.find((span) => span.name === name)?.attributes;
    expect(of(stages[0] ?? '')).toMatchObject({ 'http.request.method': 'POST', 'http.response.status_code': 201 });
    expect(of('process blocks.newblocksaved.0')).toMatchObject({
      'blockhub.worker': 'next-field',
      'blockhub.height': 1,
      'blockhub.block': expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    const named = await blobs();
    expect(named.map(({ traceparent }) => traceparent?.split('-')[1])).toEqual([traceId, traceId]);
    expect(named.map(({ event: own, about }) => about ?? own)).toEqual([event, event]);
  });

  test('a request without a trace begins one; a trace that is not recorded has no spans and keeps its context', async () => {
    await start({ OTEL_EXPORTER_OTLP_ENDPOINT: `${spans.url}/`, OTEL_SERVICE_NAME: 'mine' });
    const [unrecorded = ''] = traceIds;
    await post(traceparentOf(unrecorded, '00'));
    await quiet(data);
    await post();
    const all = await end();
    const [traceId = '', ...others] = new Set(all.map((span) => span.traceId));
    expect(others).toEqual([]);
    expect(new Set(ofTrace(all, traceId).map(({ name }) => name))).toEqual(new Set(stages));
    expect(new Set(all.map(({ service }) => service))).toEqual(new Set(['mine']));
    expect(new Set((await blobs()).map(({ traceparent }) => traceparent?.split('-')[1]))).toEqual(new Set([unrecorded, traceId]));
  });

  test('traces that share a group link to each other', async () => {
    await start({ OTEL_EXPORTER_OTLP_ENDPOINT: spans.url }, '--group-ttl', '4s');
    await Promise.all(traceIds.map((traceId) => post(traceparentOf(traceId))));
    const all = await end();
    const inBlock = all.filter(({ name }) => name === 'process blocks.newblocksaved.0');
    expect(inBlock).toHaveLength(1);
    const [through = ''] = inBlock.map(({ traceId }) => traceId);
    // Events share a pack or a group. The links lead from the trace that goes on to all others, and
    // back.
    const linksOf = (traceId: string): string[] => ofTrace(all, traceId).flatMap(({ links }) => links);
    const reached = (from: string): Set<string> => {
      const found = new Set([from]);
      for (const traceId of found) for (const link of linksOf(traceId)) found.add(link);
      return found;
    };
    for (const from of traceIds) expect(reached(from)).toEqual(new Set(traceIds));
    expect(traceIds).toContain(through);
    expect(new Set((await blobs()).map(({ traceparent }) => traceparent?.split('-')[1]))).toEqual(new Set(traceIds));
  });
});

describe('no endpoint is set', () => {
  /** Writes each module of OpenTelemetry that is loaded to standard error. */
  const spy = `data:text/javascript,${encodeURIComponent(`
    import { registerHooks } from 'node:module';
    registerHooks({ load(url, context, next) { if (url.includes('opentelemetry')) process.stderr.write('loaded ' + url + '\\n'); return next(url, context); } });
  `)}`;
  const watched = { NODE_OPTIONS: `--import ${spy}` };

  test('nothing of OpenTelemetry is loaded, and the receipt names the trace all the same', async () => {
    const { stderr } = await start(watched);
    const [traceId = ''] = traceIds;
    await post(traceparentOf(traceId));
    await post();
    expect(await end()).toEqual([]);
    expect(stderr()).not.toContain('opentelemetry');
    expect((await blobs()).map(({ traceparent }) => traceparent)).toEqual([
      traceparentOf(traceId),
      traceparentOf(traceId),
      undefined,
      undefined,
    ]);
  });

  test('the test above can fail', async () => {
    const { stderr } = await start({ ...watched, OTEL_EXPORTER_OTLP_ENDPOINT: spans.url });
    await end();
    expect(stderr()).toContain('opentelemetry');
  });
});
