/** One line of a scrape. */
export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/**
 * Reads Prometheus' text format 0.0.4 strictly: every sample belongs to a family with HELP and TYPE before it, no family
 * or sample stands twice, buckets are cumulated and end with +Inf.
 * @throws Error that names the line
 */
export function parsePrometheus(text: string): Sample[] {
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  const families = new Map<string, string>();
  const seen = new Set<string>();
  const samples: Sample[] = [];
  let family = '';
  let helped = '';
  for (const line of text.slice(0, -1).split('\n')) {
    const help = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (?:[^\\]|\\\\|\\n)+$/.exec(line);
    const type = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)$/.exec(line);
    if (help !== null) {
      if (families.has(help[1]!)) throw new Error(`a family stands twice: ${line}`);
      helped = help[1]!;
    } else if (type !== null) {
      if (type[1] !== helped) throw new Error(`no HELP before: ${line}`);
      family = type[1]!;
      if (type[2] === 'counter' && !family.endsWith('_total')) throw new Error(`a counter's name ends in _total: ${line}`);
      families.set(family, type[2]!);
    } else {
      const sample = parseSample(line);
      const ends = families.get(family) === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
      if (!ends.some((end) => sample.name === family + end)) throw new Error(`not of the family ${family}: ${line}`);
      const key = line.slice(0, line.lastIndexOf(' '));
      if (seen.has(key)) throw new Error(`stands twice: ${line}`);
      seen.add(key);
      samples.push(sample);
    }
  }
  for (const [name, type] of families) if (type === 'histogram') checkHistogram(name, samples);
  return samples;
}

function parseSample(line: string): Sample {
  const match = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)+)\})? (\+Inf|-Inf|NaN|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/.exec(line);
  if (match === null) throw new Error(`not a sample: ${line}`);
  const labels: Record<string, string> = {};
  for (const [, label, value] of (match[2] ?? '').matchAll(/([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"/g)) {
    if (label! in labels) throw new Error(`the label ${label} stands twice: ${line}`);
    labels[label!] = value!;
  }
  return { name: match[1]!, labels, value: match[3] === '+Inf' ? Infinity : Number(match[3]) };
}

function checkHistogram(name: string, samples: readonly Sample[]): void {
  const groups = new Map<string, Sample[]>();
  for (const sample of samples) {
    if (sample.name !== `${name}_bucket`) continue;
    const { le: _, ...rest } = sample.labels;
    const key = JSON.stringify(rest);
    groups.set(key, [...(groups.get(key) ?? []), sample]);
  }
  for (const [key, buckets] of groups) {
    const bounds = buckets.map((bucket) => (bucket.labels['le'] === '+Inf' ? Infinity : Number(bucket.labels['le'])));
    if (bounds.at(-1) !== Infinity || bounds.some((bound, index) => index > 0 && bound <= bounds[index - 1]!)) throw new Error(`${name}${key}: bounds do not rise to +Inf`);
    if (buckets.some((bucket, index) => index > 0 && bucket.value < buckets[index - 1]!.value)) throw new Error(`${name}${key}: buckets are not cumulated`);
    const count = samples.find((sample) => sample.name === `${name}_count` && JSON.stringify(sample.labels) === key);
    if (count?.value !== buckets.at(-1)!.value) throw new Error(`${name}${key}: the count is not the last bucket's`);
  }
}

/** The value of one sample; undefined where there is none. */
export function valueOf(samples: readonly Sample[], name: string, labels: Record<string, string> = {}): number | undefined {
  return samples.find((sample) => sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value))?.value;
}
