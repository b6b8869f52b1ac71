import { invalid } from '../core/errors.ts';

/** One page of a list, as OpenAI pages: the cursor is the id of the last item. */
export interface CursorPage<T> {
  items: T[];
  hasMore: boolean;
}

/** @throws ForgeError invalid_argument, where no item has the cursor's id */
export function cursorPage<T>(items: readonly T[], { after, limit }: { after: string | undefined; limit: number }, idOf: (item: T) => string): CursorPage<T> {
  let from = 0;
  if (after !== undefined && after !== '') {
    from = items.findIndex((item) => idOf(item) === after) + 1;
    if (from === 0) throw invalid('after', `there is no "${after.slice(0, 100)}" in this list; give the id of the last item of the page before`);
  }
  return { items: items.slice(from, from + limit), hasMore: items.length > from + limit };
}

/** @throws ForgeError invalid_argument */
export function checkLimit(limit: number | undefined, { standard, most }: { standard: number; most: number }): number {
  if (limit === undefined) return standard;
  if (!Number.isInteger(limit) || limit < 1 || limit > most) throw invalid('limit', `must be a whole number from 1 to ${most}`);
  return limit;
}
