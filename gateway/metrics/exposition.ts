// Prometheus' text format 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/), and the few kinds of
// metrics that are used here. Counting is an addition to a number: no object is made for a request.

export type Labels = Readonly<Record<string, string>>;

/** Upper bounds in seconds. */
export const latencyBuckets: readonly number[] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

export class Counter {
  value = 0;

  /** @param amount not negative */
  add(amount = 1): void {
    this.value += amount;
  }
}

export class Histogram {
  /** Not cumulated; the last one is above all bounds. */
  readonly counts: Float64Array;
  sum = 0;
  readonly #bounds: readonly number[];

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    let at = 0;
    while (at < this.#bounds.length && value > this.#bounds[at]!) at++;
    this.counts[at]!++;
    this.sum += value;
  }
}

/** A metric with all its label values; a value of labels is made once and kept. */
export class Family<Kind extends Counter | Histogram> {
  readonly #head: string;
  readonly #name: string;
  readonly #make: () => Kind;
  readonly #bounds: readonly number[];
  readonly #children: { labels: Labels; metric: Kind }[] = [];

  private constructor(type: string, name: string, help: string, bounds: readonly number[], make: () => Kind) {
    this.#head = head(name, type, help);
    this.#name = name;
    this.#bounds = bounds;
    this.#make = make;
  }

  /** @param name ends in `_total` */
  static counters(name: string, help: string): Family<Counter> {
    return new Family('counter', name, help, [], () => new Counter());
  }

  /** @param name ends in its unit */
  static histograms(name: string, help: string, bounds: readonly number[] = latencyBuckets): Family<Histogram> {
    return new Family('histogram', name, help, bounds, () => new Histogram(bounds));
  }

  /** One more set of label values, of which there may be only so many: never what a client sends. */
  child(labels: Labels): Kind {
    const metric = this.#make();
    this.#children.push({ labels, metric });
    return metric;
  }

  text(): string {
    return this.#head + this.#children.map(({ labels, metric }) => (metric instanceof Counter ? sample(this.#name, labels, metric.value) : this.#histogram(labels, metric))).join('');
  }

  #histogram(labels: Labels, { counts, sum }: Histogram): string {
    let total = 0;
    let text = '';
    for (const [index, count] of counts.entries()) {
      total += count;
      text += sample(`${this.#name}_bucket`, { ...labels, le: index < this.#bounds.length ? String(this.#bounds[index]) : '+Inf' }, total);
    }
    return text + sample(`${this.#name}_sum`, labels, sum) + sample(`${this.#name}_count`, labels, total);
  }
}

/** A metric that is looked up when it is asked for. */
export function metricText(type: 'gauge' | 'counter', name: string, help: string, samples: readonly (readonly [Labels, number])[]): string {
  return head(name, type, help) + samples.map(([labels, value]) => sample(name, labels, value)).join('');
}

function head(name: string, type: string, help: string): string {
  return `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n`;
}

function sample(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`);
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}\n`;
}
