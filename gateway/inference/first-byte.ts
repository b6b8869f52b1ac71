import { ForgeError } from '../../core/errors.ts';
import type { BackendResponse, InferenceBackend } from './backend.ts';

/**
 * A backend that has to begin its answer in time; when it does not, what it generates is stopped.
 * @param limitMs from sending the request to the first byte of the answer's body
 * @returns the same backend, whose `send`, and what it gives as a body, throw ForgeError deadline_exceeded
 */
export function limitFirstByte(backend: InferenceBackend, limitMs: number): InferenceBackend {
  const send = async (...[endpoint, body, signal]: Parameters<InferenceBackend['send']>): Promise<BackendResponse> => {
    // One controller for both: linking signals costs as much as a whole request.
    const given = new AbortController();
    let late = false;
    const onAbort = (): void => given.abort(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    const error = new ForgeError('deadline_exceeded', `The inference backend did not begin its answer within ${limitMs / 1000} s (FORGE_FIRST_BYTE_MS); it may be busy or loading the model`, { retryAfterSeconds: 10 });
    const timer = setTimeout(() => {
      late = true;
      given.abort(error);
    }, limitMs);
    const inTime = async <T>(begin: () => Promise<T>): Promise<T> => {
      try {
        return await begin();
      } catch (thrown) {
        clearTimeout(timer);
        throw late ? error : thrown;
      }
    };
    const answer = await inTime(() => backend.send(endpoint, body, given.signal));
    return { ...answer, body: { [Symbol.asyncIterator]: () => afterFirst(answer.body[Symbol.asyncIterator](), inTime, () => clearTimeout(timer)) } };
  };
  // All else is the backend's own, its changing fields too.
  return Object.create(backend, { send: { value: send, enumerable: true } }) as InferenceBackend;
}

/** The iterator itself, but for its first step. */
function afterFirst(chunks: AsyncIterator<Uint8Array>, inTime: <T>(begin: () => Promise<T>) => Promise<T>, done: () => void): AsyncIterator<Uint8Array> {
  let began = false;
  return {
    async next() {
      if (began) return chunks.next();
      began = true;
      const first = await inTime(() => chunks.next());
      done();
      return first;
    },
    async return() {
      done();
      return (await chunks.return?.()) ?? { done: true, value: undefined };
    },
  };
}
