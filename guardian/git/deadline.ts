import { ForgeError } from '../../core/errors.ts';

/**
 * Runs work under a signal that is also aborted when the time is over.
 * @throws ForgeError unavailable when it was late; `signal`'s reason when that was aborted; else what the work throws
 */
export async function within<T>(timeoutMs: number, signal: AbortSignal, late: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const clock = AbortSignal.timeout(timeoutMs);
  try {
    return await work(AbortSignal.any([signal, clock]));
  } catch (error) {
    signal.throwIfAborted();
    if (clock.aborted) throw new ForgeError('unavailable', `${late} within ${timeoutMs} ms; try again`, { cause: error });
    throw error;
  }
}
