import type { ConsumerMessages } from '@nats-io/jetstream';

/** Ends a consumer's messages when the signal aborts. @returns to be called when they are not read any more */
export function stopOnAbort(messages: ConsumerMessages, signal: AbortSignal): () => Promise<void> {
  const stop = (): void => messages.stop();
  signal.addEventListener('abort', stop, { once: true });
  // It may have been aborted while the consumer was made, which no listener hears of.
  if (signal.aborted) stop();
  return async () => {
    signal.removeEventListener('abort', stop);
    await messages.close();
  };
}
