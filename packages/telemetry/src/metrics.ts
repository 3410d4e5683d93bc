import { BlockhubError } from '@blockhub/errors';
import type { Metric, Counter as PromCounter, Gauge as PromGauge, Registry } from 'prom-client';
import {
  type Counter,
  CounterSeries,
  type Gauge,
  GaugeSeries,
  type Histogram,
  HistogramSeries,
  type Sample,
  type Series,
} from './series.ts';

/** A metric with labels. The same values give the same series: call `labels` once and keep it. */
export interface Family<L extends string, S> {
  labels(values: Readonly<Record<L, string>>): S;
}

/**
 * The metrics of one process. The same name gives the same metric; another kind or other labels
 * throw INTERNAL. Names are `blockhub_…` in snake case, counters end in `_total`, times are in
 * seconds, sizes in bytes. A metric has at most 1,000 series; further values are counted under the
 * label value `other`.
 */
export interface Metrics {
  counter(name: string, help: string): Counter;
  counter<const L extends string>(name: string, help: string, labels: readonly L[]): Family<L, Counter>;
  gauge(name: string, help: string): Gauge;
  gauge<const L extends string>(name: string, help: string, labels: readonly L[]): Family<L, Gauge>;
  /** `buckets`: upper bounds in ascending order, by default from 1 ms to 60 s. */
  histogram(name: string, help: string, labels?: readonly [], buckets?: readonly number[]): Histogram;
  histogram<const L extends string>(name: string, help: string, labels: readonly L[], buckets?: readonly number[]): Family<L, Histogram>;
  /**
   * All metrics in the text format of Prometheus, with those of process, memory, garbage collection
   * and event loop lag, which are measured from the first call on.
   */
  text(): Promise<string>;
  readonly contentType: string;
}

interface MetricsOptions {
  /** Added to every sample as label `service`. */
  readonly service?: string;
}

const maxSeries = 1000;
/**
 * Interval of the measurements of event loop lag. Each one wakes the process: the 10 ms of
 * prom-client take half a percent of a core if the process is idle.
 */
const LAG_INTERVAL_MS = 100;
const secondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

type Kind = 'counter' | 'gauge' | 'histogram';

/** All series of one metric, in the form of prom-client's registry. */
class MetricFamily<S extends Series> implements Family<string, S> {
  readonly name: string;
  readonly help: string;
  readonly type: Kind;
  readonly names: readonly string[];
  readonly #make: () => S;
  readonly #series = new Map<string, { readonly values: Readonly<Record<string, string>>; readonly series: S }>();

  constructor(name: string, help: string, type: Kind, names: readonly string[], make: () => S) {
    this.name = name;
    this.help = help;
    this.type = type;
    this.names = names;
    this.#make = make;
    // Without a first value of zero, Prometheus would miss the first increase of a counter.
    if (names.length === 0) this.labels({});
  }

  labels(given: Readonly<Record<string, string>>): S {
    const values = this.names.map((name) => String(given[name]));
    const key = JSON.stringify(values);
    const known = this.#series.get(key);
    if (known) return known.series;
    if (this.#series.size > maxSeries && values.some((value) => value !== 'other')) {
      return this.labels(Object.fromEntries(this.names.map((name) => [name, 'other'])));
    }
    const series = this.#make();
    this.#series.set(key, { values: Object.fromEntries(this.names.map((name, at) => [name, values[at] ?? ''])), series });
    return series;
  }

  get(): Promise<{ name: string; help: string; type: Kind; values: Sample[] }> {
    const values: Sample[] = [];
    for (const { values: labels, series } of this.#series.values()) values.push(...series.samples(this.name, labels));
    return Promise.resolve({ name: this.name, help: this.help, type: this.type, values });
  }
}

/** Counting uses plain numbers: docs/decisions/0018. The first scrape loads prom-client. */
export function createMetrics({ service }: MetricsOptions = {}): Metrics {
  const families = new Map<string, MetricFamily<Series>>();
  let registry: Promise<Registry> | undefined;
  let scrape: Promise<string> | undefined;

  function family<S extends Series>(type: Kind, name: string, help: string, labels: readonly string[], make: () => S): MetricFamily<S> {
    const known = families.get(name);
    if (known) {
      if (known.type === type && known.names.join() === labels.join()) return known as MetricFamily<Series> as MetricFamily<S>;
      throw new BlockhubError('INTERNAL', `the metric ${name} exists as ${known.type} with labels (${known.names.join(', ')})`);
    }
    checkName(type, name, labels);
    const made = new MetricFamily(name, help, type, labels, make);
    families.set(name, made);
    // If the registry is still loading, `open` adds all families.
    void registry?.then((ready) => ready.registerMetric(made as unknown as Metric));
    return made;
  }

  function one<S extends Series>(type: Kind, name: string, help: string, labels: readonly string[], make: () => S): S | MetricFamily<S> {
    const made = family(type, name, help, labels, make);
    return labels.length === 0 ? made.labels({}) : made;
  }

  const open = async (): Promise<Registry> => {
    // It is CommonJS, whose named exports a bundle cannot resolve.
    const { collectDefaultMetrics, Registry } = (await import('prom-client')).default;
    const made = new Registry();
    if (service) made.setDefaultLabels({ service });
    const { user, system } = process.cpuUsage();
    collectDefaultMetrics({ register: made, eventLoopMonitoringPrecision: LAG_INTERVAL_MS });
    withoutInterval(made);
    // prom-client counts CPU time from now on, so the time before is added.
    for (const [name, micros] of [['user_', user] as const, ['system_', system] as const, ['', user + system] as const])
      (made.getSingleMetric(`process_cpu_${name}seconds_total`) as PromCounter).inc(micros / 1e6);
    for (const known of families.values()) made.registerMetric(known as unknown as Metric);
    return made;
  };

  return {
    counter: ((name: string, help: string, labels: readonly string[] = []) =>
      one('counter', name, help, labels, () => new CounterSeries())) as Metrics['counter'],
    gauge: ((name: string, help: string, labels: readonly string[] = []) =>
      one('gauge', name, help, labels, () => new GaugeSeries())) as Metrics['gauge'],
    histogram: ((name: string, help: string, labels: readonly string[] = [], buckets: readonly number[] = secondsBuckets) =>
      one('histogram', name, help, labels, () => new HistogramSeries(buckets))) as Metrics['histogram'],
    async text() {
      registry ??= open();
      const ready = await registry;
      // Scrapes at the same time share one text, so that many of them cost no more than one.
      scrape ??= ready.metrics().finally(() => {
        scrape = undefined;
      });
      return scrape;
    },
    contentType: 'text/plain; version=0.0.4; charset=utf-8',
  };
}

/** Node measures the time between two measurements. Only what exceeds the interval is lag. */
function withoutInterval(registry: Registry): void {
  for (const part of ['min', 'max', 'mean', 'p50', 'p90', 'p99']) {
    const gauge = registry.getSingleMetric(`nodejs_eventloop_lag_${part}_seconds`) as PromGauge;
    const set = gauge.set.bind(gauge) as (labels: object, seconds: number) => void;
    gauge.set = ((labels: object, seconds: number) => set(labels, Math.max(0, seconds - LAG_INTERVAL_MS / 1000))) as typeof gauge.set;
  }
}

function checkName(type: Kind, name: string, labels: readonly string[]): void {
  const wrong =
    !/^blockhub(_[a-z0-9]+)+$/.test(name) ||
    (type === 'counter') !== name.endsWith('_total') ||
    labels.some((label) => !/^[a-z][a-z0-9_]*$/.test(label) || label === 'le');
  if (wrong) throw new BlockhubError('INTERNAL', `the metric ${name} (${labels.join(', ')}) does not follow the rules for names`);
}
