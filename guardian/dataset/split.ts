import { seededShare } from './hash.ts';
import type { Side } from './row.ts';

export interface SplitItem {
  /** What the hash is of, such as a path: the side stays the same when others come and go. */
  key: string;
  /** Items of one group go to the same side. */
  group: string;
}

/**
 * Puts about `share` of the groups on the held-out side, by a seeded hash of the first key of each group. Where there
 * are two groups or more, each side gets at least one.
 * @param items sorted by key
 * @returns a side for each item, in the same order
 */
export function split(items: readonly SplitItem[], share: number, seed: bigint): Side[] {
  const places = new Map<string, number>();
  for (const { key, group } of items) {
    if (!places.has(group)) places.set(group, seededShare(seed, key));
  }
  const all = [...places.values()];
  const lowest = all.reduce((a, b) => Math.min(a, b), 1);
  const highest = all.reduce((a, b) => Math.max(a, b), 0);
  // The lowest is always held out and the highest never, unless it is the only one.
  const limit = all.length < 2 ? 0 : Math.min(Math.max(share, lowest + Number.EPSILON), highest);
  return items.map(({ group }) => (places.get(group)! < limit ? 'heldout' : 'train'));
}
