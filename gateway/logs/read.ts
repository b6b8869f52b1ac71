import { ForgeError, isForgeError } from '../../core/errors.ts';
import type { BlobStore } from '../../core/blobs/blob-store.ts';
import type { Task } from '../../core/task/state.ts';
import type { TelemetryStream } from '../feed/telemetry-stream.ts';
import type { LogAttempt } from './attempts.ts';
import { collectLog } from './collect.ts';
import type { LogLine } from './lines.ts';
import { readLog } from './sealed.ts';

/** How long reading what telemetry holds of an attempt may take. */
const readMs = 10_000;

/**
 * An attempt's log as it is now: what was stored at its end, else what telemetry still has of it.
 * @throws ForgeError not_found where it was removed with its project; unavailable
 */
export async function* readAttempt(deps: { telemetry: TelemetryStream; blobs: BlobStore }, task: Task, attempt: LogAttempt): AsyncGenerator<LogLine> {
  const digest = attempt.ended?.logDigest ?? '';
  if (digest !== '') {
    try {
      yield* readLog(deps.blobs, digest);
    } catch (error) {
      if (!isForgeError(error, 'not_found')) throw error;
      throw new ForgeError('not_found', `the log of attempt ${attempt.number} of ${task.id} is not there any more`, { cause: error });
    }
    return;
  }
  const { kept, caughtUp } = await collectLog(deps.telemetry, { taskId: task.id, workerId: attempt.workerId, number: attempt.number }, 0, readMs);
  if (!caughtUp) throw new ForgeError('unavailable', `the log of attempt ${attempt.number} of ${task.id} can't be read now: try again`, { retryAfterSeconds: 5 });
  yield* kept.lines;
}
