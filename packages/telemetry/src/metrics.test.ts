import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { createMetrics, type Metrics } from './metrics.ts';

const samples = async (metrics: Metrics, name: string): Promise<string[]> =>
  (await metrics.text()).split('\n').filter((line) => line.startsWith(name));

test('counters', async () => {
  const metrics = createMetrics();
  const taken = metrics.counter('blockhub_messages_taken_total', 'Messages taken', ['queue']);
  const ingress = taken.labels({ queue: 'ingress' });
  ingress.add();
  ingress.add(4);
  for (const wrong of [-1, Number.NaN, 0]) ingress.add(wrong);
  taken.labels({ queue: 'a"b\\c\nd' }).add();
  metrics.counter('blockhub_idle_total', 'Never counted');
  expect(ingress.value).toBe(5);
  expect(await samples(metrics, 'blockhub_')).toEqual([
    'blockhub_messages_taken_total{queue="ingress"} 5',
    'blockhub_messages_taken_total{queue="a\\"b\\\\c\\nd"} 1',
    'blockhub_idle_total 0',
  ]);
  const text = await metrics.text();
  expect(text).toContain('# HELP blockhub_messages_taken_total Messages taken\n# TYPE blockhub_messages_taken_total counter\n');
});

test('gauges', async () => {
  const metrics = createMetrics({ service: 'deploy' });
  const held = metrics.gauge('blockhub_held', 'Held');
  held.set(5);
  held.add(-2);
  metrics
    .gauge('blockhub_ready', 'Ready', ['queue'])
    .labels({ queue: 'q' })
    .read(() => 7);
  metrics.gauge('blockhub_broken', 'Broken').read(() => {
    throw new Error('no');
  });
  expect(await samples(metrics, 'blockhub_')).toEqual([
    'blockhub_held{service="deploy"} 3',
    'blockhub_ready{queue="q",service="deploy"} 7',
    'blockhub_broken{service="deploy"} Nan',
  ]);
});

test('histograms', async () => {
  const metrics = createMetrics();
  const seconds = metrics.histogram('blockhub_wait_seconds', 'Wait', ['stage'], [0.1, 1]).labels({ stage: 's' });
  for (const value of [0.05, 0.1, 0.5, 3, Number.NaN]) seconds.observe(value);
  expect(await samples(metrics, 'blockhub_')).toEqual([
    'blockhub_wait_seconds_bucket{stage="s",le="0.1"} 2',
    'blockhub_wait_seconds_bucket{stage="s",le="1"} 3',
    'blockhub_wait_seconds_bucket{stage="s",le="+Inf"} 4',
    'blockhub_wait_seconds_sum{stage="s"} 3.65',
    'blockhub_wait_seconds_count{stage="s"} 4',
  ]);
});

test('the same name is the same metric; another kind or other labels are refused', () => {
  const metrics = createMetrics();
  const first = metrics.counter('blockhub_x_total', 'X', ['a']);
  expect(metrics.counter('blockhub_x_total', 'X', ['a']).labels({ a: '1' })).toBe(first.labels({ a: '1' }));
  expect(first.labels({ a: '2' })).not.toBe(first.labels({ a: '1' }));
  expect(() => metrics.counter('blockhub_x_total', 'X')).toThrow('exists as counter with labels (a)');
  expect(() => metrics.counter('blockhub_x_total', 'X', ['b'])).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  expect(createMetrics().counter('blockhub_x_total', 'X').value).toBe(0);
});

test.each(['x_total', 'blockhub_x', 'blockhub_X_total', 'blockhub__x_total', 'blockhub_x-y_total'])(
  'a counter may not be called %s',
  (name) => {
    expect(() => createMetrics().counter(name, 'X')).toThrow('does not follow the rules for names');
  },
);

test.each(['le', '', 'A', 'a-b'])('a label may not be called %j', (label) => {
  expect(() => createMetrics().gauge('blockhub_x', 'X', [label])).toThrow('does not follow the rules for names');
});

test('series are bounded', () => {
  const family = createMetrics().counter('blockhub_x_total', 'X', ['chain', 'kind']);
  const series = new Set(Array.from({ length: 5000 }, (_, n) => family.labels({ chain: `c${n}`, kind: 'k' })));
  expect(series.size).toBe(1002);
  expect(family.labels({ chain: 'c0', kind: 'k' })).not.toBe(family.labels({ chain: 'c4999', kind: 'k' }));
  expect(family.labels({ chain: 'c4998', kind: 'k' })).toBe(family.labels({ chain: 'other', kind: 'other' }));
});

describe('the text', () => {
  test('has process metrics and event loop lag', async () => {
    const metrics = createMetrics();
    const text = await metrics.text();
    for (const name of ['process_resident_memory_bytes', 'process_cpu_seconds_total', 'nodejs_eventloop_lag_p99_seconds'])
      expect(text).toContain(`# TYPE ${name} `);
    expect(metrics.contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
  });

  test('has as lag the time by which the event loop is late, not the interval of the measurements', async () => {
    const metrics = createMetrics();
    const shortest = async (): Promise<number> => {
      const [line = ''] = await samples(metrics, 'nodejs_eventloop_lag_min_seconds');
      return Number(line.split(' ')[1]);
    };
    // With the interval in it, no measurement could be so short. A scrape resets the histogram, and
    // the first measurement after that is not counted, so scrapes must be two intervals apart.
    while (!((await shortest()) < 0.05)) await new Promise((resolve) => setTimeout(resolve, 250));
    expect(await samples(metrics, 'nodejs_eventloop_lag_')).toHaveLength(8);
  });

  test('has the CPU time of the process from its start on', async () => {
    const { user, system } = process.cpuUsage();
    const [line = ''] = await samples(createMetrics(), 'process_cpu_seconds_total');
    expect(Number(line.split(' ')[1])).toBeGreaterThanOrEqual((user + system) / 1e6);
  });

  test('has metrics that came while it was made, and after it', async () => {
    const metrics = createMetrics();
    const first = metrics.text();
    metrics.gauge('blockhub_during', 'X');
    await first;
    metrics.gauge('blockhub_after', 'X');
    expect(await samples(metrics, 'blockhub_')).toEqual(['blockhub_during 0', 'blockhub_after 0']);
  });

  test('is made once for scrapes at the same time', async () => {
    const metrics = createMetrics();
    let reads = 0;
    metrics.gauge('blockhub_x', 'X').read(() => ++reads);
    await metrics.text();
    reads = 0;
    const texts = await Promise.all(Array.from({ length: 50 }, () => metrics.text()));
    expect([new Set(texts).size, reads]).toEqual([1, 1]);
    await metrics.text();
    expect(reads).toBe(2);
  });
});

test('prom-client is loaded by the first scrape', () => {
  const entry = fileURLToPath(new URL('./index.ts', import.meta.url));
  const script = `import { createRequire } from 'node:module'; import { createMetrics } from ${JSON.stringify(entry)};
    const loaded = () => Object.keys(createRequire(import.meta.url).cache).some((file) => file.includes('prom-client'));
    const metrics = createMetrics(); metrics.counter('blockhub_x_total', 'X').add(); const before = loaded(); await metrics.text(); console.log(before, loaded());`;
  expect(String(execFileSync(process.execPath, ['--input-type=module-typescript', '-e', script]))).toBe('false true\n');
});
