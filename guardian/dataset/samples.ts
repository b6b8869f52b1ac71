import { seededShare } from './hash.ts';
import type { Kind, Row, Side } from './row.ts';

const wanted = 10;

/** A row of the dataset, shown in its report. */
export interface Sample extends Omit<Row, 'kind'> {
  side: Side;
  kind: Kind | 'chat';
}

/** Keeps a few rows of each kind, by a seeded hash, and gives ten of them in the end: kinds in turn. */
export function createSampler(seed: bigint) {
  const byKind = new Map<string, { place: number; sample: Sample }[]>();
  return {
    add(side: Side, row: Omit<Sample, 'side'>): void {
      const kept = byKind.get(row.kind) ?? [];
      byKind.set(row.kind, kept);
      const place = seededShare(seed, `sample ${side} ${row.kind} ${row.path} ${row.start_line} ${row.end_line}`);
      if (kept.length === wanted && place >= kept.at(-1)!.place) return;
      // Of equal places the first stays before the later one.
      const at = kept.findIndex((other) => other.place > place);
      kept.splice(at < 0 ? kept.length : at, 0, { place, sample: { side, ...row } });
      if (kept.length > wanted) kept.pop();
    },
    samples(): Sample[] {
      const lists = [...byKind].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, kept]) => kept);
      const samples: Sample[] = [];
      for (let round = 0; round < wanted; round += 1) {
        for (const list of lists) if (round < list.length && samples.length < wanted) samples.push(list[round]!.sample);
      }
      return samples;
    },
  };
}
