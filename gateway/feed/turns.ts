/** Works until a time of `performance.now()`. @returns whether there is more to do */
export type Work = (until: number) => boolean;

export interface Turns {
  /** Has it called in a turn soon, and again until it has no more to do. */
  add(work: Work): void;
}

/** How long all work together may keep other requests waiting. */
const sliceMs = 5;

/** Work that may be long, in slices between which the event loop goes on; each gets its turn. */
export function createTurns(): Turns {
  const waiting = new Set<Work>();
  let next: NodeJS.Immediate | undefined;
  const slice = (): void => {
    const until = performance.now() + sliceMs;
    for (const work of [...waiting]) {
      // To the end of the line before it runs, since it may ask for another turn meanwhile.
      waiting.delete(work);
      if (work(until)) waiting.add(work);
      if (performance.now() >= until) break;
    }
    next = waiting.size > 0 ? setImmediate(slice) : undefined;
  };
  return {
    add(work) {
      waiting.add(work);
      next ??= setImmediate(slice);
    },
  };
}
