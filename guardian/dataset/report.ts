import type { Row } from './example.ts';
import type { DatasetSettings } from './settings.ts';
import type { Side } from './split.ts';

/** Raised when the same commit and settings give other rows than before. */
export const datasetFormat = 1;

export interface SideReport {
  files: number;
  rows: number;
  /** Characters of the answers. */
  answer_chars: number;
  by_kind: Record<string, number>;
  by_language: Record<string, number>;
}

/** report.json: what the dataset is made of, what was left out, and why. No times and no paths of a machine. */
export interface DatasetReport {
  format: number;
  commit: string;
  settings: Record<string, number | string>;
  files_listed: number;
  bytes_read: number;
  files_dropped: Record<string, number>;
  rows_dropped: Record<string, number>;
  train: SideReport;
  heldout: SideReport;
}

/** Counts rows while they are written. */
export function createTally() {
  const side = () => ({ paths: new Set<string>(), rows: 0, chars: 0, kinds: new Map<string, number>(), languages: new Map<string, number>() });
  const sides = { train: side(), heldout: side() };
  const count = (counts: Map<string, number>, key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1);
  return {
    add(to: Side, row: Pick<Row, 'messages'> & { kind: string; path: string }, language: string): void {
      const tally = sides[to];
      tally.paths.add(row.path);
      tally.rows += 1;
      tally.chars += row.messages.at(-1)!.content.length;
      count(tally.kinds, row.kind);
      count(tally.languages, language);
    },
    report(of: Side): SideReport {
      const tally = sides[of];
      return { files: tally.paths.size, rows: tally.rows, answer_chars: tally.chars, by_kind: sorted(tally.kinds), by_language: sorted(tally.languages) };
    },
  };
}

/** Keys in order, so that equal counts are equal bytes. */
export function sorted(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}

export function settingsForReport(settings: DatasetSettings): Record<string, number | string> {
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), typeof value === 'bigint' ? String(value) : value]));
}
