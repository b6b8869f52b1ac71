import { setTimeout } from 'node:timers/promises';
import { isForgeError } from '../../core/errors.ts';

const retryMs = 500;

/**
 * Does what no event may come to bring up again, so that it is not given up while NATS is away or others are faster.
 * Ends without having done it where the signal aborts.
 * @param late told of each try that came to nothing
 * @throws whatever else `work` throws
 */
export async function untilRecorded(work: () => Promise<unknown>, signal: AbortSignal, late: (why: string) => void): Promise<void> {
  for (;;) {
    try {
      await work();
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (!isForgeError(error, 'unavailable') && !isForgeError(error, 'version_conflict')) throw error;
      late(error.message);
      await setTimeout(retryMs, undefined, { signal }).catch(() => {});
    }
  }
}
