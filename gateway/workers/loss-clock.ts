/** What an attempt is called on the clock: task and number. */
export type AttemptKey = string;

/**
 * A gateway's clock for lost attempts. It runs only while the gateway hears its own beat through NATS, so that an
 * outage of NATS, or a gateway that was stopped itself, declares nobody lost: after a gap it starts anew.
 * Pure but for what it is told; times are monotonic milliseconds.
 */
export class LossClock {
  readonly #lossMs: number;
  readonly #maxGapMs: number;
  readonly #heard = new Map<AttemptKey, number>();
  #lastOwnBeat: number | undefined;

  /** @param maxGapMs time between two own beats from which on the clock starts anew */
  constructor(lossMs: number, maxGapMs: number) {
    this.#lossMs = lossMs;
    this.#maxGapMs = maxGapMs;
  }

  /** A worker's beat named this attempt. */
  heard(attempt: AttemptKey, now: number): void {
    this.#heard.set(attempt, now);
  }

  /**
   * The gateway heard its own beat.
   * @param running attempts that hold a task now
   * @returns those that were silent for too long
   */
  ownBeat(running: Iterable<AttemptKey>, now: number): AttemptKey[] {
    const gap = this.#lastOwnBeat === undefined ? Infinity : now - this.#lastOwnBeat;
    this.#lastOwnBeat = now;
    const current = new Set(running);
    for (const attempt of this.#heard.keys()) if (!current.has(attempt)) this.#heard.delete(attempt);
    const lost: AttemptKey[] = [];
    for (const attempt of current) {
      const heard = this.#heard.get(attempt);
      if (heard === undefined || gap > this.#maxGapMs) this.#heard.set(attempt, now);
      else if (now - heard > this.#lossMs) lost.push(attempt);
    }
    return lost;
  }
}
