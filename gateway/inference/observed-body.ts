import { UpstreamAnswer } from './upstream-answer.ts';

/** Looks at an answer's body as it comes, and changes nothing. */
export interface BodyObserver {
  chunk(bytes: Uint8Array): void;
  /** Nothing comes any more. @param whole false where it was cut off or given up */
  over(whole: boolean): void;
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
    let over = false;
    const end = (whole: boolean): void => {
      if (!over) this.#observer.over(whole);
      over = true;
    };
    const seen = (next: IteratorResult<Uint8Array>): IteratorResult<Uint8Array> => {
      if (next.done === true) end(true);
      else this.#observer.chunk(next.value);
      return next;
    };
    const broken = (error: unknown): never => {
      end(false);
      throw error;
    };
    return {
      next: () => chunks.next().then(seen, broken),
      return() {
        end(false);
        return chunks.return?.() ?? Promise.resolve({ done: true, value: undefined });
      },
    };
  }
}
