import type { Duplex } from 'node:stream';

/** For frames that come one by one: the first of a round goes out now, and what more there is in one write. @returns what to call before each */
export function gather(raw: Duplex): () => void {
  let inRound = false;
  const endRound = (): void => {
    inRound = false;
    raw.uncork();
  };
  return () => {
    if (!inRound) {
      inRound = true;
      process.nextTick(endRound);
    } else if (raw.writableCorked === 0) raw.cork();
  };
}
