import { hash } from 'node:crypto';

/** So many lines in a row that also stand in a training file count as seen. */
const windowLines = 3;
/** An answer of which more than this share of windows was seen is no test of anything. */
const maxSeenShare = 0.5;

/**
 * Finds held-out answers that training files show as well: copied functions, licence texts, boilerplate. A split by
 * file alone does not see them. Lines are compared without indentation; empty ones do not count.
 */
export interface LeakFinder {
  /** Say each held-out answer first, */
  add(answer: readonly string[]): void;
  /** then each training file, */
  see(lines: readonly string[]): void;
  /** then ask. */
  leaked(answer: readonly string[]): boolean;
}

export function createLeakFinder(): LeakFinder {
  const windows = new Map<string, boolean>();
  /** First lines of windows: most lines of training files are none, and need no hash. */
  const firstLines = new Set<string>();
  /** Answers shorter than a window are compared whole. */
  const sizes = new Set<number>();

  const solidLines = (lines: readonly string[]): string[] => lines.map((line) => line.trim()).filter((line) => line !== '');
  const sizeFor = (solid: readonly string[]): number => Math.min(windowLines, solid.length);

  return {
    add(answer) {
      const solid = solidLines(answer);
      sizes.add(sizeFor(solid));
      for (const line of solid) firstLines.add(line);
      for (const key of keys(solid, sizeFor(solid))) windows.set(key, false);
    },
    see(lines) {
      const solid = solidLines(lines);
      for (const size of sizes) {
        for (const key of keys(solid, size, firstLines)) if (windows.has(key)) windows.set(key, true);
      }
    },
    leaked(answer) {
      const solid = solidLines(answer);
      let seen = 0;
      let all = 0;
      for (const key of keys(solid, sizeFor(solid))) {
        all += 1;
        if (windows.get(key) === true) seen += 1;
      }
      return seen > all * maxSeenShare;
    },
  };
}

/** One hash for each run of `size` lines, that begins with one of `first` where that is given. */
function* keys(solid: readonly string[], size: number, first?: ReadonlySet<string>): Generator<string> {
  for (let start = 0; size > 0 && start + size <= solid.length; start += 1) {
    if (first === undefined || first.has(solid[start]!)) yield hash('sha1', solid.slice(start, start + size).join('\n'), 'base64');
  }
}
