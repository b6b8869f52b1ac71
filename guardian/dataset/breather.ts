import { setImmediate } from 'node:timers/promises';

const stretchMs = 20;

/**
 * Lets the process do other things now and then during long work, since it also answers requests and beats.
 * @returns a function to call between pieces of work. It throws the signal's reason when that has aborted
 */
export function createBreather(signal: AbortSignal): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last < stretchMs) return;
    await setImmediate();
    signal.throwIfAborted();
    last = performance.now();
  };
}
