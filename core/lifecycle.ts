import type { NatsConnection } from '@nats-io/transport-node';
import type { Logger } from './logger.ts';

/** How long a service may take to end in good order. */
const deadlineMs = 8_000;

/**
 * The end of a service's process: the first SIGTERM or SIGINT stops it in good order, the second ends it at once, and
 * so does the deadline. Only `main.ts` files call this.
 */
export function endOnSignal(stop: () => Promise<void>, logger: Logger): void {
  let stopping = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stopping) process.exit(1);
    stopping = true;
    logger.info(`stopping on ${signal}`);
    setTimeout(() => {
      logger.error(`not stopped after ${deadlineMs / 1000} s: ended`);
      process.exit(1);
    }, deadlineMs).unref();
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error('could not stop in good order', { error });
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

/** Ends the process when NATS has closed its connection for good: it reconnects for ever, so that is what no waiting mends, such as credentials that were revoked. */
export function endWhenRefused(nats: NatsConnection, logger: Logger): void {
  void nats.closed().then((error) => {
    if (error === undefined) return;
    logger.error('NATS has closed the connection for good', { error: error.message });
    process.exit(1);
  });
}

/** Runs a service's main function; an error that it throws is told in one line and ends the process with 1. */
export function runMain(main: () => Promise<void>, logger: Logger): void {
  main().catch((error: unknown) => {
    logger.error((error as Error).message, { cause: (error as Error).cause instanceof Error ? ((error as Error).cause as Error).message : undefined });
    process.exit(1);
  });
}
