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
  place: number;
  /** As long as something before it may come. */
  after: Cursor | undefined;
  sink: Sink;
  /** Whether it need not be waited for, and has its turn in each round. */
  ready: boolean;
  left: boolean;
  leave(error?: unknown): void;
}

const longestRun = 256;
/** Between two looks at the clock. */
const fewFollowers = 16;

/**
 * Those who are told of a feed as it grows, in rounds over all of them. Thousands may follow, many times a second: one
 * costs a round a call. One that has to be waited for leaves the rounds until it can take more, and holds up nobody.
 */
export class Followers {
  readonly #list: FeedList;
  readonly #isOver: () => boolean;
  readonly #turns: Turns;
  readonly #ready = new Set<Follower>();
  /** The rest of the round. */
  #round: Iterator<Follower> = [].values();
  /** Whether there is something that not all of this round have been told. */
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
        this.#ready.delete(follower);
        if (error === undefined) resolve();
        else reject(error as Error);
      };
      const onAbort = (): void => leave();
      const follower: Follower = { place: this.#list.first, after: after === startCursor ? undefined : after, sink, ready: false, left: false, leave };
      signal.addEventListener('abort', onAbort, { once: true });
      const gap = this.#list.gapAfter(after);
      if (gap === undefined) this.#join(follower);
      else this.#give(follower, [gap]);
    });
  }

  /** There is more in the list, or no more will come. */
  wake(): void {
    this.#changed = true;
    this.#turns.add(this.#work);
  }

  readonly #work = (until: number): boolean => {
    for (let told = 1; ; told++) {
      const { value: follower, done } = this.#round.next();
      if (!done) this.#tell(follower);
      else if (!this.#changed) return false;
      else {
        this.#changed = false;
        this.#round = this.#ready.values();
      }
      if (told % fewFollowers === 0 && performance.now() >= until) return true;
    }
  };

  #join(follower: Follower): void {
    follower.ready = true;
    this.#ready.add(follower);
    this.wake();
  }

  #tell(follower: Follower): void {
    // What went meanwhile is not told, as to one that is slow by itself.
    follower.place = Math.max(follower.place, this.#list.first);
    if (follower.place < this.#list.end) this.#give(follower, this.#runOf(follower));
    else if (this.#isOver()) follower.leave();
  }

  #give(follower: Follower, run: readonly WatchJobResponse[]): void {
    let waiting: Promise<void> | undefined;
    try {
      if (run.length > 0) waiting = follower.sink.take(run);
    } catch (error) {
      return follower.leave(error);
    }
    if (follower.left) return;
    if (waiting !== undefined) {
      follower.ready = false;
      this.#ready.delete(follower);
      waiting.then(() => this.#resume(follower), follower.leave);
    } else if (!follower.ready) this.#join(follower);
    else if (follower.place < this.#list.end) this.wake();
    else if (this.#isOver()) follower.leave();
  }

  /** A round for each one that has been waited for would be many. */
  #resume(follower: Follower): void {
    if (follower.left) return;
    follower.ready = true;
    this.#ready.add(follower);
    this.#tell(follower);
  }

  /** What comes next to a follower, which then stands after it. */
  #runOf(follower: Follower): readonly WatchJobResponse[] {
    const { place: from, after } = follower;
    const to = Math.min(this.#list.end, from + longestRun);
    follower.place = to;
    if (after !== undefined) {
      const { cursor } = this.#list.at(to - 1);
      if (cursor.event >= after.event && !isLater(after, cursor)) follower.after = undefined;
      return this.#list.slice(from, to).filter((entry) => isAfter(entry, after)).map(({ message }) => message);
    }
    if (this.#shared.from !== from || this.#shared.to !== to) {
      this.#shared = { from, to, run: this.#list.slice(from, to).map(({ message }) => message) };
    }
    return this.#shared.run;
  }
}
