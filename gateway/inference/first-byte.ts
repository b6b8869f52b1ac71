import { ForgeError } from '../../core/errors.ts';
import type { BackendResponse, InferenceBackend } from './backend.ts';
import { CancelSource, type CancelSignal } from './cancel.ts';
import { observe, type BodyObserver } from './observed-body.ts';

/**
 * Gives a request up that the backend does not begin to answer. What has begun takes its time: a long generation is not
 * stopped.
 * @param limitMs from sending the request to the first byte of the answer's body
 * @returns the same backend, whose `send`, and what it gives as a body, throw ForgeError deadline_exceeded
 */
export function limitFirstByte(backend: InferenceBackend, limitMs: number): InferenceBackend {
  const send: InferenceBackend['send'] = (endpoint, body, signal) => {
    const call = new LimitedCall(signal, limitMs);
    return backend.send(endpoint, body, call).then(call.began, call.failed);
  };
  // All else is the backend's own, its changing fields too.
  return Object.create(backend, { send: { value: send, enumerable: true } }) as InferenceBackend;
}

/** One request: its signal aborts when its caller's does, or when the time is over. */
class LimitedCall extends CancelSource implements BodyObserver {
  readonly #timer: NodeJS.Timeout;
  readonly #limitMs: number;
  #late: ForgeError | undefined;

  constructor(signal: CancelSignal, limitMs: number) {
    super();
    this.#limitMs = limitMs;
    this.#timer = setTimeout(this.#onTime, limitMs);
    const onAbort = (): void => {
      clearTimeout(this.#timer);
      this.abort(signal.reason);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  }

  readonly #onTime = (): void => {
    this.#late = new ForgeError('deadline_exceeded', `The inference backend did not begin its answer within ${this.#limitMs / 1000} s (FORGE_FIRST_BYTE_MS); it may be busy or loading the model`, { retryAfterSeconds: 10 });
    this.abort(this.#late);
  };

  readonly began = (answer: BackendResponse): BackendResponse => {
    answer.body = observe(answer.body, this);
    return answer;
  };

  readonly failed = (thrown: unknown): never => {
    clearTimeout(this.#timer);
    throw this.#late ?? thrown;
  };

  chunk(): void {
    clearTimeout(this.#timer);
  }

  over(): void {
    clearTimeout(this.#timer);
  }
}
