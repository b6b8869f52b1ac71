import { setImmediate } from 'node:timers/promises';

/** How long the event loop is kept busy at a stretch. */
const sliceMs = 5;

let lastTurn = Promise.resolve();

/** Goes through items so that other work is done between a few of them and the next, however many do so at once. */
export async function* inSlices<T>(items: Iterable<T>): AsyncIterableIterator<T> {
  let since = performance.now();
  for (const item of items) {
    yield item;
    if (performance.now() - since < sliceMs) continue;
    // One after the other: each turn of the event loop holds one slice.
    await (lastTurn = lastTurn.then(() => setImmediate()));
    since = performance.now();
  }
}
