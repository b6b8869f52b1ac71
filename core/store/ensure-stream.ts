import { setTimeout } from 'node:timers/promises';
import type { JetStreamManager, StreamConfig } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';
import { isNoStream } from './jetstream-errors.ts';

/** Between two looks for a stream that another process has to make. */
const lookAgainMs = 200;

/**
 * Makes the stream when it is missing; one that is there stays as it is. A process that may not make it (a guardian with
 * credentials) waits for one that may.
 */
export async function ensureStream(manager: JetStreamManager, config: Partial<StreamConfig> & { name: string }): Promise<void> {
  while (!(await isThere(manager, config.name))) {
    try {
      await manager.streams.add(config);
      return;
    } catch (error) {
      if (!isForbidden(error)) throw error;
      await setTimeout(lookAgainMs);
    }
  }
}

async function isThere(manager: JetStreamManager, name: string): Promise<boolean> {
  try {
    await manager.streams.info(name);
    return true;
  } catch (error) {
    if (!isNoStream(error)) throw error;
    return false;
  }
}

function isForbidden(error: unknown): boolean {
  return error instanceof errors.PermissionViolationError || (error instanceof Error && error.cause instanceof errors.PermissionViolationError);
}
