export const kinds = ['file_completion', 'function_completion', 'fill_in_the_middle', 'explanation', 'question', 'retrieval', 'commit_message'] as const;
export type Kind = (typeof kinds)[number];

/** Lines of a file, from 1, both included. */
export interface LineSpan {
  path: string;
  start_line: number;
  end_line: number;
}

/** One example in chat form. Its answer stands in lines `start_line` to `end_line` (from 1, both included) of the file. */
export interface Row extends LineSpan {
  messages: { role: 'system' | 'user' | 'assistant'; content: string }[];
  kind: Kind;
  /** Why it is there. */
  reason?: string;
  /** Where the answer stands, when in several places. */
  spans?: LineSpan[];
  /** The commit whose message is the answer; path and lines are those of its change. */
  commit?: string;
}

export type Side = 'train' | 'heldout';

/** A file of the held-out side as a whole, for judging a model on plain source text. */
export interface HeldoutFile {
  path: string;
  language: string;
  text: string;
}

/** What a recipe decides: the rows in the order in which they are written, and what was left out. */
export interface Plan {
  rows: Iterable<{ side: Side; row: Row; language: string }>;
  /** How many rows there will be. */
  count: number;
  heldoutFiles: readonly HeldoutFile[];
  /** How many files and examples were left out here, by reason. */
  filesDropped: ReadonlyMap<string, number>;
  rowsDropped: ReadonlyMap<string, number>;
  /** Files that were parsed, and those among them with a part that could not be. */
  parsed?: { files: number; broken: number };
  /** Why there are no rows of commits, where this copy of the repository lacks history that others have. */
  historyGap?: string;
}

/** Counts by reason. */
export function createCounter() {
  const counts = new Map<string, number>();
  return { counts, add: (reason: string, count = 1): void => void counts.set(reason, (counts.get(reason) ?? 0) + count) };
}
