import type { Readable } from 'node:stream';

/** Reads a request to its end and drops what comes, also where a handler has not let go of it yet. */
export function discard(request: Readable): void {
  request.removeAllListeners('readable');
  request.on('data', () => undefined);
  request.resume();
}
