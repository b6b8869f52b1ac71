import { create } from '@bufbuild/protobuf';
import { WatchJobResponseSchema, type WatchJobResponse } from '../../core/gen/aiforge/v1/job_pb.ts';
import { formatCursor, isLater, type Cursor } from './cursor.ts';

export interface Entry {
  /** Of the feed with this entry told. */
  cursor: Cursor;
  isEvent: boolean;
  message: WatchJobResponse;
}

/** What one feed holds in memory; what is older is a gap to a watcher that starts before it. */
const maxEntries = 200_000;

/** A list that only grows at its end. Places in it are numbers that stay the same when its oldest entries go. */
export class FeedList {
  #entries: Entry[] = [];
  #first = 0;

  /** Place of the oldest entry that is kept. */
  get first(): number {
    return this.#first;
  }

  /** Place of the entry that comes next. */
  get end(): number {
    return this.#first + this.#entries.length;
  }

  append(entry: Entry): void {
    this.#entries.push(entry);
    if (this.#entries.length <= maxEntries) return;
    const drop = this.#entries.length - maxEntries / 2;
    this.#entries = this.#entries.slice(drop);
    this.#first += drop;
  }

  /** @param place from `first` to below `end` */
  at(place: number): Entry {
    return this.#entries[place - this.#first]!;
  }

  slice(from: number, to: number): Entry[] {
    return this.#entries.slice(from - this.#first, to - this.#first);
  }

  /** What a watcher that goes on after a cursor is told first, where it has missed what is gone. */
  gapAfter(after: Cursor): WatchJobResponse | undefined {
    const oldest = this.#entries[0];
    if (this.#first === 0 || oldest === undefined || after.event >= oldest.cursor.event || !isLater(oldest.cursor, after)) return undefined;
    return create(WatchJobResponseSchema, { type: 'gap', cursor: formatCursor(after), message: `${this.#first} older messages are not kept in memory` });
  }
}

/** Whether a watcher that goes on after a cursor has yet to be told of an entry. */
export function isAfter({ isEvent, cursor }: Entry, after: Cursor): boolean {
  return isEvent ? cursor.event > after.event : isLater(cursor, after);
}
