import type { Row } from '../../../guardian/dataset/row.ts';

/** All runs of 50 tokens of a text, found without what the code under test uses. */
export function runsOf(text: string): Set<string> {
  const tokens = text.match(/\w+|[^\w\s]/g) ?? [];
  return new Set(tokens.slice(0, Math.max(0, tokens.length - 49)).map((_, at) => tokens.slice(at, at + 50).join(' ')));
}

export function textOf(row: Row): string {
  return row.messages.map(({ content }) => content).join('\n');
}

/** Runs of 50 tokens that stand in texts of both lists. */
export function overlaps(some: readonly string[], others: readonly string[]): string[] {
  const seen = new Set(others.flatMap((text) => [...runsOf(text)]));
  return [...new Set(some.flatMap((text) => [...runsOf(text)].filter((run) => seen.has(run))))];
}
