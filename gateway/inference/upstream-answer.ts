import type { Dispatcher } from 'undici';
import { ForgeError } from '../../core/errors.ts';
import type { BackendResponse } from './backend.ts';

/** So much of an answer may wait to be taken; then the backend's connection is not read. */
const waitingLimitBytes = 64 * 1024;

type Translate = (error: unknown, midway: boolean) => ForgeError;

/**
 * One answer of a backend, as undici's dispatcher hands it over. undici's own `request` makes a stream of it, and iterating
 * that costs more than all the rest of passing a small answer on.
 */
export class UpstreamAnswer implements Dispatcher.DispatchHandler, AsyncIterableIterator<Uint8Array> {
  readonly #translate: Translate;
  readonly #signal: AbortSignal;
  readonly #started = Promise.withResolvers<BackendResponse>();
  readonly #onAbort = (): void => this.#give(this.#signal.reason);
  #controller: Dispatcher.DispatchController | undefined;
  #headersCame = false;
  #chunks: Uint8Array[] = [];
  #waiting = 0;
  #paused = false;
  #over: { error?: ForgeError } | undefined;
  #wanted: PromiseWithResolvers<IteratorResult<Uint8Array>> | undefined;

  /** @param signal gives the request up */
  constructor(signal: AbortSignal, translate: Translate) {
    this.#signal = signal;
    this.#translate = translate;
    if (signal.aborted) this.#end(signal.reason);
    else signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Status and headers; the body follows. Rejects with what `translate` gave. */
  get started(): Promise<BackendResponse> {
    return this.#started.promise;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#over !== undefined) controller.abort(new Error('given up'));
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: Record<string, string | string[] | undefined>): void {
    // Others, such as 103, come before the answer.
    if (status < 200) return;
    this.#headersCame = true;
    this.#started.resolve({ status, headers: flat(headers), body: this });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const wanted = this.#wanted;
    if (wanted !== undefined) {
      this.#wanted = undefined;
      return wanted.resolve({ value: chunk, done: false });
    }
    this.#chunks.push(chunk);
    this.#waiting += chunk.length;
    if (this.#waiting < waitingLimitBytes || this.#paused) return;
    this.#paused = true;
    controller.pause();
  }

  onResponseEnd(): void {
    this.#end();
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    this.#end(error);
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) {
      this.#waiting -= chunk.length;
      if (this.#paused && this.#waiting === 0) {
        this.#paused = false;
        this.#controller!.resume();
      }
      return Promise.resolve({ value: chunk, done: false });
    }
    if (this.#over?.error !== undefined) return Promise.reject(this.#over.error);
    if (this.#over !== undefined) return Promise.resolve({ value: undefined, done: true });
    return (this.#wanted = Promise.withResolvers()).promise;
  }

  /** Whoever wants no more ends the backend's work too. */
  async return(): Promise<IteratorResult<Uint8Array>> {
    this.#give(new Error('the rest of the answer is not wanted'));
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #give(reason: unknown): void {
    if (this.#over !== undefined) return;
    this.#end(reason);
    this.#controller?.abort(reason instanceof Error ? reason : new Error('given up'));
  }

  #end(error?: unknown): void {
    if (this.#over !== undefined) return;
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#over = error === undefined ? {} : { error: this.#translate(error, this.#headersCame) };
    const wanted = this.#wanted;
    this.#wanted = undefined;
    if (this.#over.error === undefined) return wanted?.resolve({ value: undefined, done: true });
    wanted?.reject(this.#over.error);
    if (!this.#headersCame) this.#started.reject(this.#over.error);
  }
}

function flat(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const result: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined) result[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return result;
}
