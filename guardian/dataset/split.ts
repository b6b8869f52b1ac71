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
 * are enough groups, at least `least` are held out, and one never is.
 * @param items sorted by key
 * @returns a side for each item, in the same order
 */
export function split(items: readonly SplitItem[], share: number, seed: bigint, least = 1): Side[] {
  const places = new Map<string, number>();
  for (const { key, group } of items) {
    if (!places.has(group)) places.set(group, seededShare(seed, key));
  }
  const all = [...places.values()].sort((a, b) => a - b);
  // The lowest are always held out and the highest never, unless it is the only one.
  const limit = all.length < 2 ? 0 : Math.min(Math.max(share, all[Math.min(least, all.length) - 1]! + Number.EPSILON), all.at(-1)!);
  return items.map(({ group }) => (places.get(group)! < limit ? 'heldout' : 'train'));
}
