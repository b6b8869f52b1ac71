/** A simulated process. What is due for it waits while it is stalled, and is forgotten when it crashes. */
export interface Process {
  readonly name: string;
  /** Counts its lives: what an earlier life had in mind is not done. */
  life: number;
  alive: boolean;
  /** SIGSTOP until then, in simulated milliseconds. */
  stalledUntil: number;
  /** How far its wall clock is ahead. */
  clockAheadMs: number;
}

export interface Due {
  at: number;
  readonly order: number;
  readonly process: Process | undefined;
  readonly life: number;
  readonly act: () => void;
  cancelled: boolean;
}

/** Called in a microtask: Node runs what is put off to the next tick once no microtask is left. Much quicker than setImmediate. */
const microtasksDone = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));

/**
 * Simulated time: a queue of what is due. One thing happens at a time, and all promises that it settles are dealt with before
 * the next one, so that a run is a pure function of what is put in.
 */
export class Kernel {
  /** Simulated monotonic milliseconds. */
  now = 0;
  /** Whose code runs now; undefined for the network and the stream. */
  current: Process | undefined;
  /** How much has happened. */
  steps = 0;
  readonly #heap: Due[] = [];
  #order = 0;

  /** @param process that does it; what belongs to no process can't be stalled, and settles no promise */
  in(delayMs: number, process: Process | undefined, act: () => void): Due {
    const due: Due = { at: this.now + delayMs, order: this.#order++, process, life: process?.life ?? 0, act, cancelled: false };
    this.#push(due);
    return due;
  }

  sleep(ms: number, process: Process | undefined): Promise<void> {
    return new Promise((resolve) => this.in(ms, process, resolve));
  }

  /** Runs until `done`, or until nothing is due before `limit`. @returns whether it was done */
  async run(limit: number, done: () => boolean): Promise<boolean> {
    await undefined;
    while (!done()) {
      const due = this.#heap[0];
      if (due === undefined || due.at > limit) return false;
      this.#pop();
      if (due.cancelled) continue;
      const { process } = due;
      if (process !== undefined) {
        if (!process.alive || process.life !== due.life) continue;
        if (process.stalledUntil > due.at) {
          // Kept in its order among all that waits for the process.
          due.at = process.stalledUntil;
          this.#push(due);
          continue;
        }
      }
      this.now = due.at;
      this.current = process;
      this.steps += 1;
      due.act();
      // The network and the stream only put more into the queue.
      if (process !== undefined) await microtasksDone();
      this.current = undefined;
    }
    return true;
  }

  #push(due: Due): void {
    const heap = this.#heap;
    let index = heap.push(due) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!before(due, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = due;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child += 1;
      if (!before(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
  }
}

function before(a: Due, b: Due): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
