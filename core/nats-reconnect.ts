import type { ConnectionOptions } from '@nats-io/transport-node';

/**
 * When to dial again, by the monotonic clock. nats.js itself (3.4, `dialLoop`) goes by the wall clock: where that was set
 * back by an hour, a connection that breaks is not dialled again for an hour.
 * @param waitMs shortest time between two dials
 * @param jitterMs at most so much more, by chance
 */
export function redialing(waitMs: number, jitterMs: number): Pick<ConnectionOptions, 'reconnectDelayHandler' | 'reconnectToServer'> {
  let dialledAt = -Infinity;
  return {
    // To nats.js every dial is due; the one below waits.
    reconnectDelayHandler: () => -Infinity,
    reconnectToServer([next]) {
      const now = performance.now();
      const delay = Math.max(0, dialledAt + waitMs + Math.random() * jitterMs - now);
      dialledAt = now + delay;
      return { server: next!, delay };
    },
  };
}
