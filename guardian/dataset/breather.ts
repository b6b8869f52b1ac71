import { setImmediate } from 'node:timers/promises';

const stretchMs = 20;

/**
 * Lets the process do other things now and then during long work, since it also answers requests and beats.
 * @returns a function to call between pieces of work. It throws the signal's reason when that has aborted
 */
export function createBreather(signal: AbortSignal): () => Promise<void> {
  let last = performance.now();
  // Called for each row: mostly it is not time, and then there is nothing new to wait for.
  const goesOn = Promise.resolve();
  async function pause(): Promise<void> {
    await setImmediate();
    signal.throwIfAborted();
    last = performance.now();
  }
  return () => (performance.now() - last < stretchMs ? goesOn : pause());
}
