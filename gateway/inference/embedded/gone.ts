import { ForgeError } from '../../../core/errors.ts';

/** @throws ForgeError cancelled */
export function throwIfGone(signal: AbortSignal): void {
  if (signal.aborted) throw new ForgeError('cancelled', 'The request was given up');
}

/** Waits, but no longer than the caller does. @throws ForgeError cancelled */
export function orGone<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const gone = Promise.withResolvers<never>();
  const leave = () => gone.reject(new ForgeError('cancelled', 'The request was given up'));
  signal.addEventListener('abort', leave, { once: true });
  if (signal.aborted) leave();
  return Promise.race([promise, gone.promise]).finally(() => signal.removeEventListener('abort', leave));
}
