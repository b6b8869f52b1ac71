import { invalid } from '../../core/errors.ts';

/**
 * Where a watcher is: all events up to a sequence, and all metrics up to a place, (attempt, number, index). The two
 * sources are each in order, so whatever way they were interleaved, the rest is what lies after in either.
 */
export interface Cursor {
  event: number;
  attempt: number;
  number: number;
  index: number;
}

export const startCursor: Cursor = Object.freeze({ event: 0, attempt: 0, number: 0, index: 0 });

export function formatCursor({ event, attempt, number, index }: Cursor): string {
  return `${event}-${attempt}-${number}-${index}`;
}

/** @throws ForgeError invalid_argument */
export function parseCursor(text: string): Cursor {
  if (text === '') return startCursor;
  const match = /^(\d{1,15})-(\d{1,9})-(\d{1,15})-(\d{1,9})$/.exec(text);
  if (match === null) throw invalid('after', 'must be the cursor of a message of this feed, such as 12-1-40-0');
  const [event, attempt, number, index] = match.slice(1).map(Number) as [number, number, number, number];
  return { event, attempt, number, index };
}

/** Whether place `a` of the metrics lies after `b`. */
export function isLater(a: Omit<Cursor, 'event'>, b: Omit<Cursor, 'event'>): boolean {
  return a.attempt - b.attempt || a.number - b.number || a.index - b.index ? (a.attempt - b.attempt || a.number - b.number || a.index - b.index) > 0 : false;
}
