import type { Kind, Row, Side } from './row.ts';
import { createSampler, type Sample } from './samples.ts';
import type { DatasetSettings } from './settings.ts';

/** Raised when the same commit and settings give other rows than before. */
export const datasetFormat = 2;

export interface SideReport {
  files: number;
  rows: number;
  /** Characters of the answers. */
  answer_chars: number;
  by_kind: Record<string, number>;
  by_language: Record<string, number>;
  /** Characters of the answers, by kind. */
  chars_by_kind: Record<string, number>;
}

/** report.json: what the dataset is made of, what was left out, and why. No times and no paths of a machine. */
export interface DatasetReport {
  format: number;
  commit: string;
  settings: Record<string, number | string>;
  files_listed: number;
  bytes_read: number;
  /** Files that were parsed, and those among them with a part that could not be. Absent where nothing is parsed. */
  files_parsed?: number;
  files_broken?: number;
  /** Why there are no rows of commits: this copy lacks history that others have. */
  history_gap?: string;
  files_dropped: Record<string, number>;
  rows_dropped: Record<string, number>;
  train: SideReport;
  heldout: SideReport;
  samples: Sample[];
}

/** Counts rows while they are written, and keeps some. */
export function createTally(seed: bigint) {
  const side = () => ({ paths: new Set<string>(), rows: 0, chars: 0, kinds: new Map<string, number>(), languages: new Map<string, number>(), kindChars: new Map<string, number>() });
  const sides = { train: side(), heldout: side() };
  const sampler = createSampler(seed);
  const count = (counts: Map<string, number>, key: string, by = 1): void => void counts.set(key, (counts.get(key) ?? 0) + by);
  return {
    add(to: Side, row: Omit<Row, 'kind'> & { kind: Kind | 'chat' }, language: string): void {
      const tally = sides[to];
      const chars = row.messages.at(-1)!.content.length;
      tally.paths.add(row.path);
      tally.rows += 1;
      tally.chars += chars;
      count(tally.kinds, row.kind);
      count(tally.kindChars, row.kind, chars);
      count(tally.languages, language);
      sampler.add(to, row);
    },
    report(of: Side): SideReport {
      const tally = sides[of];
      return {
        files: tally.paths.size, rows: tally.rows, answer_chars: tally.chars,
        by_kind: sorted(tally.kinds), by_language: sorted(tally.languages), chars_by_kind: sorted(tally.kindChars),
      };
    },
    samples: (): Sample[] => sampler.samples(),
  };
}

/** Keys in order, so that equal counts are equal bytes. */
export function sorted(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The counts of several, added up. */
export function sumOf(...all: readonly ReadonlyMap<string, number>[]): Map<string, number> {
  const sum = new Map<string, number>();
  for (const counts of all) for (const [key, count] of counts) sum.set(key, (sum.get(key) ?? 0) + count);
  return sum;
}

export function settingsForReport(settings: DatasetSettings): Record<string, number | string> {
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), typeof value === 'bigint' ? String(value) : value]));
}
