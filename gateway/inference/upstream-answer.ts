import type { Dispatcher } from 'undici';
import { ForgeError } from '../../core/errors.ts';
import type { BackendResponse } from './backend.ts';
import type { CancelSignal } from './cancel.ts';
import type { BodyObserver } from './observed-body.ts';

/** So much of an answer may wait to be taken; then the backend's connection is not read. */
const waitingLimitBytes = 64 * 1024;

type Translate = (error: unknown, midway: boolean) => ForgeError;

/**
 * One answer of a backend, as undici's dispatcher hands it over. undici's own `request` makes a stream of it, and iterating
 * that costs more than all the rest of passing a small answer on.
 */
export class UpstreamAnswer implements Dispatcher.DispatchHandler, AsyncIterableIterator<Uint8Array> {
  readonly #translate: Translate;
  readonly #signal: CancelSignal;
  readonly #started = Promise.withResolvers<BackendResponse>();
  readonly #onAbort = (): void => this.#give(this.#signal.reason);
  #controller: Dispatcher.DispatchController | undefined;
  #headersCame = false;
  #chunks: Uint8Array[] = [];
  #waiting = 0;
  #paused = false;
  #over: { error?: ForgeError } | undefined;
  #observers: BodyObserver[] = [];
  /** Somebody waits for a chunk, or for the end. */
  #wanted: PromiseWithResolvers<void> | undefined;
  readonly #take = (): IteratorResult<Uint8Array> => {
    if (this.#chunks.length > 0) return { value: this.#takeAll(), done: false };
    if (this.#over?.error !== undefined) throw this.#over.error;
    return { value: undefined, done: true };
  };

  /** @param signal gives the request up */
  constructor(signal: CancelSignal, translate: Translate) {
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
    for (const observer of this.#observers) observer.chunk(chunk);
    this.#chunks.push(chunk);
    this.#waiting += chunk.length;
    if (this.#wanted !== undefined) return this.#wake();
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

  /** All that has come since the last one: what a socket was read for at once is passed on at once. */
  next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#chunks.length === 0 && this.#over === undefined) this.#wanted = Promise.withResolvers();
    return (this.#wanted?.promise ?? Promise.resolve()).then(this.#take);
  }

  /** Before anything was taken: what has come already is shown now. */
  observe(observer: BodyObserver): void {
    for (const chunk of this.#chunks) observer.chunk(chunk);
    if (this.#over === undefined) this.#observers.push(observer);
    else observer.over(this.#over.error === undefined);
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

  #takeAll(): Uint8Array {
    const bytes = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.#waiting = 0;
    if (this.#paused) {
      this.#paused = false;
      this.#controller!.resume();
    }
    return bytes;
  }

  #wake(): void {
    const wanted = this.#wanted;
    this.#wanted = undefined;
    wanted?.resolve();
  }

  #end(error?: unknown): void {
    if (this.#over !== undefined) return;
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#over = error === undefined ? {} : { error: this.#translate(error, this.#headersCame) };
    for (const observer of this.#observers) observer.over(error === undefined);
    if (this.#over.error !== undefined && !this.#headersCame) this.#started.reject(this.#over.error);
    this.#wake();
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
