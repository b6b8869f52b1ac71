/**
 * Shares work between equal requests that wait at the same time. A request never gets an answer that was begun before
 * it came: while one run goes on, all that come wait for the next one. So a thousand submissions of one project cost
 * a few reads of its HEAD.
 */
export function createCoalescer<T>(): (key: string, work: () => Promise<T>) => Promise<T> {
  const running = new Map<string, Promise<unknown>>();
  const waiting = new Map<string, Promise<T>>();

  function start(key: string, work: () => Promise<T>): Promise<T> {
    const run = work().finally(() => {
      if (running.get(key) === settled) running.delete(key);
    });
    const settled = run.catch(() => undefined);
    running.set(key, settled);
    return run;
  }

  return (key, work) => {
    const current = running.get(key);
    if (current === undefined) return start(key, work);
    const shared = waiting.get(key);
    if (shared !== undefined) return shared;
    const next = current.then(() => {
      waiting.delete(key);
      return start(key, work);
    });
    waiting.set(key, next);
    return next;
  };
}
