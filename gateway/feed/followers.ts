import type { WatchJobResponse } from '../../core/gen/aiforge/v1/job_pb.ts';
import { isLater, startCursor, type Cursor } from './cursor.ts';
import { isAfter, type FeedList } from './feed-list.ts';
import type { Turns } from './turns.ts';

export interface Sink {
  /**
   * Is told a run of messages; followers at the same place get the same array, so that what is made of it can be shared.
   * @returns what to wait for before the next run; nothing where it may come at once
   */
  take(run: readonly WatchJobResponse[]): Promise<void> | undefined;
}

interface Follower {
  sink: Sink;
  /** In the rounds; -1 while it is waited for. */
  index: number;
  /** In the list, while it is not in the rounds or something before its cursor may come. */
  place: number;
  after: Cursor | undefined;
  left: boolean;
  leave(error?: unknown): void;
}

const longestRun = 256;
/** Between two looks at the clock. */
const fewFollowers = 16;
/** Stands for the place of one to whom not all may be told. */
const beforeCursor = -1;

/**
 * Those who are told of a feed as it grows, in rounds over all of them. Thousands may follow, many times a second: one
 * costs a round a call. One that has to be waited for leaves the rounds until it can take more, and holds up nobody.
 */
export class Followers {
  readonly #list: FeedList;
  readonly #isOver: () => boolean;
  readonly #turns: Turns;
  /** Three arrays side by side, since of thousands of followers none is in the processor's cache: a round looks at no more than it must. */
  readonly #followers: Follower[] = [];
  readonly #sinks: Sink[] = [];
  readonly #places: number[] = [];
  /** Whose turn it is in this round. */
  #next = 0;
  /** Whether there may be something that not all of this round have been told. */
  #changed = false;
  #shared: { from: number; to: number; run: readonly WatchJobResponse[] } = { from: 0, to: 0, run: [] };

  constructor(list: FeedList, isOver: () => boolean, turns: Turns) {
    this.#list = list;
    this.#isOver = isOver;
    this.#turns = turns;
  }

  /** Tells all after a cursor, then what comes, until the feed is over or the signal aborts. @throws what the sink throws */
  follow(after: Cursor, signal: AbortSignal, sink: Sink): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return resolve();
      const leave = (error?: unknown): void => {
        signal.removeEventListener('abort', onAbort);
        follower.left = true;
        this.#remove(follower);
        if (error === undefined) resolve();
        else reject(error as Error);
      };
      const onAbort = (): void => leave();
      const follower: Follower = { sink, index: -1, place: 0, after: after === startCursor ? undefined : after, left: false, leave };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#add(follower);
      this.wake();
    });
  }

  /** There is more in the list, or no more will come. */
  wake(): void {
    this.#changed = true;
    this.#turns.add(this.#work);
  }

  readonly #work = (until: number): boolean => {
    for (let told = 1; ; told++) {
      if (this.#next < this.#sinks.length) this.#tell(this.#next++);
      else if (!this.#changed) return false;
      else {
        this.#changed = false;
        this.#next = 0;
      }
      if (told % fewFollowers === 0 && performance.now() >= until) return true;
    }
  };

  /** @param index of one in the rounds */
  #tell(index: number): void {
    const follower = this.#followers[index]!;
    const run = this.#nextRun(index);
    if (run === undefined) {
      if (this.#isOver()) follower.leave();
      return;
    }
    const place = this.#places[index]!;
    if (run.length > 0) this.#give(follower, this.#sinks[index]!, run);
    // There is more, or its end.
    if (place !== this.#list.end || this.#isOver()) this.wake();
  }

  #give(follower: Follower, sink: Sink, run: readonly WatchJobResponse[]): void {
    let waiting: Promise<void> | undefined;
    try {
      waiting = sink.take(run);
    } catch (error) {
      return follower.leave(error);
    }
    if (waiting === undefined || follower.left) return;
    this.#remove(follower);
    waiting.then(() => this.#resume(follower), follower.leave);
  }

  /** Told at once: a round for each one that has been waited for would be many. */
  #resume(follower: Follower): void {
    if (follower.left) return;
    this.#add(follower);
    this.#tell(follower.index);
  }

  #add(follower: Follower): void {
    follower.index = this.#followers.push(follower) - 1;
    this.#sinks.push(follower.sink);
    this.#places.push(follower.after === undefined ? follower.place : beforeCursor);
  }

  /** The last one takes its index. */
  #remove(follower: Follower): void {
    const { index } = follower;
    if (index < 0) return;
    if (follower.after === undefined) follower.place = this.#places[index]!;
    follower.index = -1;
    const last = this.#followers.pop()!;
    const [sink, place] = [this.#sinks.pop()!, this.#places.pop()!];
    if (last === follower) return;
    this.#followers[index] = last;
    this.#sinks[index] = sink;
    this.#places[index] = place;
    last.index = index;
    // If a round goes on, its turn may be passed by.
    this.#changed = true;
  }

  /** What comes next to one in the rounds, which then stands after it; undefined where there is nothing. */
  #nextRun(index: number): readonly WatchJobResponse[] | undefined {
    const from = this.#places[index]!;
    const { first, end } = this.#list;
    if (from < first) {
      const follower = this.#followers[index]!;
      if (follower.after !== undefined) return this.#runAfter(follower.after, follower);
      this.#places[index] = first;
      return this.#gap(from, startCursor);
    }
    if (from === end) return undefined;
    const to = Math.min(end, from + longestRun);
    this.#places[index] = to;
    if (this.#shared.from !== from || this.#shared.to !== to) {
      this.#shared = { from, to, run: this.#list.slice(from, to).map(({ message }) => message) };
    }
    return this.#shared.run;
  }

  /** Nothing where all that went was told before. */
  #gap(place: number, after: Cursor): readonly WatchJobResponse[] {
    const gap = this.#list.gap(place, after);
    return gap === undefined ? [] : [gap];
  }

  #runAfter(after: Cursor, follower: Follower): readonly WatchJobResponse[] | undefined {
    const from = follower.place;
    if (from < this.#list.first) {
      follower.place = this.#list.first;
      return this.#gap(from, after);
    }
    if (from === this.#list.end) return undefined;
    const to = Math.min(this.#list.end, from + longestRun);
    follower.place = to;
    const { cursor } = this.#list.at(to - 1);
    if (cursor.event >= after.event && !isLater(after, cursor)) {
      follower.after = undefined;
      this.#places[follower.index] = to;
    }
    return this.#list.slice(from, to).filter((entry) => isAfter(entry, after)).map(({ message }) => message);
  }
}
