import { UpstreamAnswer } from './upstream-answer.ts';

/** Looks at an answer's body as it comes, and changes nothing. */
export interface BodyObserver {
  chunk(bytes: Uint8Array): void;
  /** The body has come to its end; not called where it was cut off or given up. */
  end?(): void;
}

/** @returns the body to read: the same one, where it can tell observers itself */
export function observe(body: AsyncIterable<Uint8Array>, observer: BodyObserver): AsyncIterable<Uint8Array> {
  if (!(body instanceof UpstreamAnswer)) return new ObservedBody(body, observer);
  body.observe(observer);
  return body;
}

class ObservedBody implements AsyncIterable<Uint8Array> {
  readonly #body: AsyncIterable<Uint8Array>;
  readonly #observer: BodyObserver;

  constructor(body: AsyncIterable<Uint8Array>, observer: BodyObserver) {
    this.#body = body;
    this.#observer = observer;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    const chunks = this.#body[Symbol.asyncIterator]();
    const seen = (next: IteratorResult<Uint8Array>): IteratorResult<Uint8Array> => {
      if (next.done === true) this.#observer.end?.();
      else this.#observer.chunk(next.value);
      return next;
    };
    return {
      next: () => chunks.next().then(seen),
      return: () => chunks.return?.() ?? Promise.resolve({ done: true, value: undefined }),
    };
  }
}
