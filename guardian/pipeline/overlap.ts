import { hash } from 'node:crypto';

/** So many tokens in a row are no coincidence. */
export const overlapTokens = 50;

const token = /\w+|[^\w\s]/g;

/** Finds texts that share `overlapTokens` tokens in a row with those that were added. */
export function createOverlapFinder(): { add(text: string): void; overlaps(text: string): boolean } {
  const seen = new Set<string>();
  return {
    add(text) {
      for (const key of windows(text)) seen.add(key);
    },
    overlaps(text) {
      for (const key of windows(text)) if (seen.has(key)) return true;
      return false;
    },
  };
}

/** One hash for each run of tokens. */
function* windows(text: string): Generator<string> {
  const tokens = text.match(token) ?? [];
  for (let start = 0; start + overlapTokens <= tokens.length; start++) yield hash('sha1', tokens.slice(start, start + overlapTokens).join(' '), 'base64');
}
