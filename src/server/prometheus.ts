/**
 * Metrics in Prometheus's text format, version 0.0.4, which are also recorded by an OpenTelemetry meter, if there is one. Labels come
 * from fixed sets, so the number of series is bounded.
 */

type Labels = Readonly<Record<string, string | number>>;

/** The values of a metric that OpenTelemetry reads when it exports. */
interface Observable {
  addCallback(callback: (result: { observe(value: number, labels: Labels): void }) => void): void;
}

/**
 * The part of an OpenTelemetry meter that is used here. Its own type would need the package, which is optional, in each program that
 * checks types.
 */
export interface Meter {
  createCounter(name: string, options: { description: string }): { add(by: number, labels: Labels): void };
  createObservableCounter(name: string, options: { description: string }): Observable;
  createObservableGauge(name: string, options: { description: string }): Observable;
  createHistogram(
    name: string,
    options: { description: string; advice: { explicitBucketBoundaries: number[] } },
  ): { record(value: number, labels: Labels): void };
}

interface Family {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  /** Name's ending, labels and value of each sample. */
  samples(): Iterable<readonly [suffix: string, labels: string, value: number]>;
}

/** The text of the metrics. */
export function renderMetrics(families: readonly Family[]): string {
  const lines = families.flatMap((family) => [
    `# HELP ${family.name} ${family.help}`,
    `# TYPE ${family.name} ${family.type}`,
    ...[...family.samples()].map(([suffix, labels, value]) => `${family.name}${suffix}${labels} ${value}`),
  ]);
  return `${lines.join('\n')}\n`;
}

export interface Counter extends Family {
  add(labels?: Labels, by?: number): void;
}

export function counter(name: string, help: string, meter?: Meter): Counter {
  const recorded = meter?.createCounter(name.replace(/_total$/, ''), { description: help });
  const values = new Map<string, number>();
  return {
    name,
    help,
    type: 'counter',
    add: (labels = {}, by = 1) => {
      const key = labelText(labels);
      values.set(key, (values.get(key) ?? 0) + by);
      recorded?.add(by, labels);
    },
    *samples() {
      for (const [labels, value] of values) yield ['', labels, value] as const;
    },
  };
}

/** A metric whose values are read when the metrics are requested. */
export function reading(
  type: 'counter' | 'gauge',
  name: string,
  help: string,
  read: () => Iterable<readonly [Labels, number]>,
  meter?: Meter,
): Family {
  const plain = name.replace(/_total$/, '');
  const recorded =
    type === 'counter'
      ? meter?.createObservableCounter(plain, { description: help })
      : meter?.createObservableGauge(plain, { description: help });
  recorded?.addCallback((result) => {
    for (const [labels, value] of read()) result.observe(value, labels);
  });
  return {
    name,
    help,
    type,
    *samples() {
      for (const [labels, value] of read()) yield ['', labelText(labels), value] as const;
    },
  };
}

export interface Histogram extends Family {
  observe(value: number, labels?: Labels): void;
}

/** `bounds` are the upper ends of the buckets, ascending. */
export function histogram(name: string, help: string, bounds: readonly number[], meter?: Meter): Histogram {
  const advice = { explicitBucketBoundaries: [...bounds] };
  const recorded = meter?.createHistogram(name, { description: help, advice });
  const series = new Map<
    string,
    { labels: Labels; buckets: { bound: number; count: number }[]; sum: number; count: number }
  >();
  return {
    name,
    help,
    type: 'histogram',
    observe: (value, labels = {}) => {
      recorded?.record(value, labels);
      const key = labelText(labels);
      let own = series.get(key);
      if (!own) {
        own = { labels, buckets: bounds.map((bound) => ({ bound, count: 0 })), sum: 0, count: 0 };
        series.set(key, own);
      }
      own.sum += value;
      own.count++;
      const bucket = own.buckets.find(({ bound }) => value <= bound);
      if (bucket) bucket.count++;
    },
    *samples() {
      for (const { labels, buckets, sum, count } of series.values()) {
        let below = 0;
        for (const bucket of buckets) {
          below += bucket.count;
          yield ['_bucket', labelText({ ...labels, le: bucket.bound }), below] as const;
        }
        yield ['_bucket', labelText({ ...labels, le: '+Inf' }), count] as const;
        yield ['_sum', labelText(labels), sum] as const;
        yield ['_count', labelText(labels), count] as const;
      }
    },
  };
}

function labelText(labels: Labels): string {
  const entries = Object.entries(labels);
  if (entries.length === 0) return '';
  const quoted = (value: string | number) =>
    String(value).replace(/[\\"\n]/g, (mark) => (mark === '\n' ? '\\n' : `\\${mark}`));
  return `{${entries.map(([name, value]) => `${name}="${quoted(value)}"`).join(',')}}`;
}
