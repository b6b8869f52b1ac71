/**
 * Tells a call that it is over. The signal is made only when it is asked for: most calls never look at it, and making and
 * linking one costs as much as answering them.
 */
export class CallSignal {
  readonly #parents: readonly AbortSignal[];
  readonly #onParent = (event: Event): void => this.abort((event.target as AbortSignal).reason);
  #controller: AbortController | undefined;
  #over: { reason: unknown } | undefined;

  /** @param parents end the call too when they abort */
  constructor(parents: readonly AbortSignal[]) {
    this.#parents = parents;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      const aborted = this.#over ?? this.#parents.find((parent) => parent.aborted);
      if (aborted !== undefined) this.abort(aborted.reason);
      else for (const parent of this.#parents) parent.addEventListener('abort', this.#onParent, { once: true });
    }
    return this.#controller.signal;
  }

  /** Only the first reason counts. */
  abort(reason: unknown): void {
    this.#over ??= { reason };
    this.#controller?.abort(reason);
    this.#leave();
  }

  /** The call has its answer: nothing that happens from here on concerns it. */
  ended(): void {
    this.#leave();
  }

  #leave(): void {
    if (this.#controller !== undefined) for (const parent of this.#parents) parent.removeEventListener('abort', this.#onParent);
  }
}
