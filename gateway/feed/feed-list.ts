import { create } from '@bufbuild/protobuf';
import { WatchJobResponseSchema, type WatchJobResponse } from '../../core/gen/aiforge/v1/job_pb.ts';
import { formatCursor, isLater, startCursor, type Cursor } from './cursor.ts';

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
  /** Of the newest entry that is gone: all that is gone lies up to it, in both sources. */
  #dropped = startCursor;

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
    this.#dropped = this.#entries[drop - 1]!.cursor;
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

  /**
   * What a watcher is told in the stead of what it has missed, the entries from its place up to the first that is kept.
   * @returns undefined where nothing that lies after its cursor is gone
   */
  gap(place: number, after: Cursor): WatchJobResponse | undefined {
    if (place >= this.#first || !(this.#dropped.event > after.event || isLater(this.#dropped, after))) return undefined;
    // With the gap told, what is gone counts as told: who goes on from here is not told of it again.
    const cursor = { ...(isLater(after, this.#dropped) ? after : this.#dropped), event: Math.max(after.event, this.#dropped.event) };
    return create(WatchJobResponseSchema, { type: 'gap', cursor: formatCursor(cursor), message: `${this.#first - place} older messages are not kept in memory` });
  }
}

/** Whether a watcher that goes on after a cursor has yet to be told of an entry. */
export function isAfter({ isEvent, cursor }: Entry, after: Cursor): boolean {
  return isEvent ? cursor.event > after.event : isLater(cursor, after);
}
