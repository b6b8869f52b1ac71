import { setTimeout } from 'node:timers/promises';
import type { JetStreamManager, StreamConfig } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';
import { isElecting, isNoStream } from './jetstream-errors.ts';

const lookAgainMs = 200;
/** A cluster whose nodes have just started, or lost one, has to elect who answers. */
const electionMs = 30_000;

/**
 * Makes the stream when it is missing; one that is there stays as it is. A process that may not make it (a guardian with
 * credentials) waits for one that may.
 * @throws what was wrong last, where that is nothing that passes with an election, or does not for 30 s
 */
export async function ensureStream(manager: JetStreamManager, config: Partial<StreamConfig> & { name: string }): Promise<void> {
  let deadline = performance.now() + electionMs;
  for (;;) {
    try {
      if (!(await isThere(manager, config.name))) await manager.streams.add(config);
      return;
    } catch (error) {
      if (isForbidden(error)) deadline = performance.now() + electionMs;
      else if (!isElecting(error) || performance.now() > deadline) throw error;
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
