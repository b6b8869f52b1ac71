import type { Example } from '../kinds/example.ts';

/** The answers that were asked for, by kind: one is asked for once in a kind, where it stands first. */
export interface AnswerSet {
  /** @returns whether it was not there yet */
  add(example: Example): boolean;
  has(example: Example): boolean;
}

export function createAnswerSet(): AnswerSet {
  // The answers themselves: most are slices of their file's text, which is in memory anyway.
  const answers = new Map<string, Set<string>>();
  return {
    add({ kind, write }) {
      const known = answers.get(kind) ?? new Set();
      answers.set(kind, known);
      const before = known.size;
      return known.add(write().answer).size > before;
    },
    has: ({ kind, write }) => answers.get(kind)?.has(write().answer) ?? false,
  };
}
