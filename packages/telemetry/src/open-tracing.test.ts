/** @group long: it waits for a collector that does not answer. */
import { describe, expect, test } from '@jest/globals';
import type { Logger } from './logger.ts';
import { silentLogger } from './logger.ts';
import { openTracing } from './open-tracing.ts';
import { parseTraceparent } from './trace-context.ts';
import type { Tracing } from './tracing.ts';

/** No server listens there. */
const OTEL_EXPORTER_OTLP_ENDPOINT = 'http://127.0.0.1:9';
const open = (env: Record<string, string>, log: Logger = silentLogger): Promise<Tracing | undefined> =>
  openTracing({ service: 'sample', env, log });
const sampled = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const unsampled = sampled.replace(/01$/, '00');

test.each([
  {},
  { OTEL_EXPORTER_OTLP_ENDPOINT: '' },
  { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SDK_DISABLED: 'true' },
  { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_EXPORTER: 'none' },
])('%j: nothing is recorded', async (env) => {
  expect(await open(env as Record<string, string>)).toBeUndefined();
});

test.each([
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4317' }, 'OTEL_EXPORTER_OTLP_ENDPOINT must be a URL'],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'x' }, 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT must be a URL'],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, 'expected http/protobuf, got grpc'],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_SAMPLER: 'sometimes' }, 'parentbased_traceidratio, got sometimes'],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '2' }, 'a number from 0 to 1'],
])('%j is refused', async (env, message) => {
  await expect(open(env as Record<string, string>)).rejects.toMatchObject({
    code: 'SETTINGS_INVALID',
    message: expect.stringContaining(message),
  });
});

describe('whose traces are recorded', () => {
  const starts = async (env: Record<string, string>, parent?: string): Promise<string | undefined> => {
    const tracing = await open({ OTEL_EXPORTER_OTLP_ENDPOINT, ...env });
    const span = tracing?.start('x', { kind: 'server', parent });
    return span?.traceparent;
  };

  test('a trace is continued if it is recorded', async () => {
    const context = parseTraceparent(await starts({}, sampled));
    expect(context).toMatchObject({ traceId: parseTraceparent(sampled)?.traceId, sampled: true });
    expect(context?.spanId).not.toBe(parseTraceparent(sampled)?.spanId);
    expect(await starts({}, unsampled)).toBeUndefined();
    expect(await starts({ OTEL_TRACES_SAMPLER: 'parentbased_always_off' }, sampled)).toBeDefined();
  });

  test('a new one begins by the sampler', async () => {
    expect(parseTraceparent(await starts({}))?.sampled).toBe(true);
    expect(parseTraceparent(await starts({}, 'no traceparent'))?.sampled).toBe(true);
    expect(await starts({ OTEL_TRACES_SAMPLER: 'parentbased_always_off' })).toBeUndefined();
    expect(await starts({ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' })).toBeUndefined();
  });
});

test('a collector that does not answer is logged, and does not delay the end', async () => {
  const warnings: unknown[] = [];
  const log: Logger = { ...silentLogger, warn: (...line: unknown[]) => warnings.push(line.at(-1)) };
  const tracing = await open({ OTEL_EXPORTER_OTLP_ENDPOINT }, log);
  tracing?.start('x', { kind: 'server' })?.end();
  await tracing?.close();
  await tracing?.close();
  expect(warnings).toEqual(['spans cannot be sent']);
});
