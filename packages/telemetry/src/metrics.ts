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

/** One metric with labels; `labels` gives the series of these values, always the same one. Resolve it once, outside of the hot path. */
export interface Family<L extends string, S> {
  labels(values: Readonly<Record<L, string>>): S;
}

/**
 * The metrics of one process. Asking for a name again gives the same metric; with another kind or other labels it throws INTERNAL.
 * Names are `blockhub_…` in snake case, counters end in `_total`, times are in seconds, sizes in bytes.
 * A metric keeps at most 1,000 series; what comes later is counted under the label value `other`.
 */
export interface Metrics {
  counter(name: string, help: string): Counter;
  counter<const L extends string>(name: string, help: string, labels: readonly L[]): Family<L, Counter>;
  gauge(name: string, help: string): Gauge;
  gauge<const L extends string>(name: string, help: string, labels: readonly L[]): Family<L, Gauge>;
  /** `buckets`: upper bounds in growing order; from 1 ms to 60 s when absent. */
  histogram(name: string, help: string, labels?: readonly [], buckets?: readonly number[]): Histogram;
  histogram<const L extends string>(name: string, help: string, labels: readonly L[], buckets?: readonly number[]): Family<L, Histogram>;
  /** Everything in the text format of Prometheus, with process, memory, garbage collection and event loop lag (measured from the first call on). */
  text(): Promise<string>;
  readonly contentType: string;
}

interface MetricsOptions {
  /** Added to every sample as label `service`. */
  readonly service?: string;
}

const maxSeries = 1000;
/** Between looks at the event loop. Each wakes the process: every 10 ms, as prom-client has it, take half a percent of a core of one that is idle. */
const LAG_STEP_MS = 100;
const secondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

type Kind = 'counter' | 'gauge' | 'histogram';

/** All series of one metric, in the form that prom-client's registry takes. */
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
    // Zero is a fact too: without it the first rate of a counter is missed.
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

/**
 * Metrics with a registry of their own. Counting works on plain numbers; prom-client, which takes memory and start-up time, is loaded when the
 * first scrape asks for the text.
 */
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
    // A registry that is still loading takes all families when it is there.
    void registry?.then((ready) => ready.registerMetric(made as unknown as Metric));
    return made;
  }

  function one<S extends Series>(type: Kind, name: string, help: string, labels: readonly string[], make: () => S): S | MetricFamily<S> {
    const made = family(type, name, help, labels, make);
    return labels.length === 0 ? made.labels({}) : made;
  }

  const open = async (): Promise<Registry> => {
    // CommonJS, of which a bundle knows no names.
    const { collectDefaultMetrics, Registry } = (await import('prom-client')).default;
    const made = new Registry();
    if (service) made.setDefaultLabels({ service });
    const { user, system } = process.cpuUsage();
    collectDefaultMetrics({ register: made, eventLoopMonitoringPrecision: LAG_STEP_MS });
    withoutStep(made);
    // It counts CPU from here on; a process that was not scraped for an hour has used it all the same.
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
      // Scrapes at the same time share one text, so that nobody can make them expensive.
      scrape ??= ready.metrics().finally(() => {
        scrape = undefined;
      });
      return scrape;
    },
    contentType: 'text/plain; version=0.0.4; charset=utf-8',
  };
}

/** Node measures from one look to the next: what is over the step between them is the lag. */
function withoutStep(registry: Registry): void {
  for (const part of ['min', 'max', 'mean', 'p50', 'p90', 'p99']) {
    const gauge = registry.getSingleMetric(`nodejs_eventloop_lag_${part}_seconds`) as PromGauge;
    const set = gauge.set.bind(gauge) as (labels: object, seconds: number) => void;
    gauge.set = ((labels: object, seconds: number) => set(labels, Math.max(0, seconds - LAG_STEP_MS / 1000))) as typeof gauge.set;
  }
}

function checkName(type: Kind, name: string, labels: readonly string[]): void {
  const wrong =
    !/^blockhub(_[a-z0-9]+)+$/.test(name) ||
    (type === 'counter') !== name.endsWith('_total') ||
    labels.some((label) => !/^[a-z][a-z0-9_]*$/.test(label) || label === 'le');
  if (wrong) throw new BlockhubError('INTERNAL', `the metric ${name} (${labels.join(', ')}) breaks the rule for names`);
}
