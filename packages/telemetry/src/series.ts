/** Counts up. Adding costs one addition. */
export interface Counter {
  /** Adds `amount`, by default 1. Negative amounts and NaN are ignored. */
  add(amount?: number): void;
  readonly value: number;
}

export interface Gauge {
  set(value: number): void;
  add(amount: number): void;
  /** From now on each scrape calls `from`. If it throws, the value is NaN. */
  read(from: () => number): void;
  readonly value: number;
}

export interface Histogram {
  observe(value: number): void;
  readonly count: number;
  readonly sum: number;
}

export interface Sample {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Series {
  samples(name: string, labels: Readonly<Record<string, string>>): Sample[];
}

export class CounterSeries implements Counter, Series {
  value = 0;

  add(amount = 1): void {
    if (amount > 0) this.value += amount;
  }

  samples(metricName: string, labels: Readonly<Record<string, string>>): Sample[] {
    return [{ metricName, labels, value: this.value }];
  }
}

export class GaugeSeries implements Gauge, Series {
  #value = 0;
  #from: (() => number) | undefined;

  get value(): number {
    if (!this.#from) return this.#value;
    try {
      return this.#from();
    } catch {
      return Number.NaN;
    }
  }

  set(value: number): void {
    this.#value = value;
  }

  add(amount: number): void {
    this.#value += amount;
  }

  read(from: () => number): void {
    this.#from = from;
  }

  samples(metricName: string, labels: Readonly<Record<string, string>>): Sample[] {
    return [{ metricName, labels, value: this.value }];
  }
}

export class HistogramSeries implements Histogram, Series {
  count = 0;
  sum = 0;
  readonly #bounds: readonly number[];
  /** For each bucket, not cumulative. Values above the last bound are only in `count`. */
  readonly #counts: number[];

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = bounds.map(() => 0);
  }

  observe(value: number): void {
    if (Number.isNaN(value)) return;
    this.count++;
    this.sum += value;
    const bounds = this.#bounds;
    for (let at = 0; at < bounds.length; at++) {
      if (value <= (bounds[at] as number)) {
        this.#counts[at] = (this.#counts[at] as number) + 1;
        return;
      }
    }
  }

  samples(name: string, labels: Readonly<Record<string, string>>): Sample[] {
    let below = 0;
    const buckets = this.#bounds.map((bound, at) => {
      below += this.#counts[at] as number;
      return { metricName: `${name}_bucket`, labels: { ...labels, le: String(bound) }, value: below };
    });
    return [
      ...buckets,
      { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: this.count },
      { metricName: `${name}_sum`, labels, value: this.sum },
      { metricName: `${name}_count`, labels, value: this.count },
    ];
  }
}
