import type { BlobStore } from '../../core/blobs/blob-store.ts';
import type { Logger } from '../../core/logger.ts';
import type { SealedLog } from '../../core/task/commands.ts';
import type { TelemetryStream } from '../feed/telemetry-stream.ts';
import { collectLog, type LoggedAttempt } from './collect.ts';
import { storeLog } from './sealed.ts';

/** How long the end of an attempt waits for the next of the lines that were sent before it. */
const waitMs = 3_000;

/**
 * Stores an attempt's log before its end is recorded, so that it is there when the telemetry has aged out. An end is not
 * held up by a log that can't be had: undefined then, and where there is none.
 */
export type SealLog = (attempt: LoggedAttempt, lines: number) => Promise<SealedLog | undefined>;

export function createSealLog(deps: { telemetry: TelemetryStream; blobs: BlobStore; logger: Logger }): SealLog {
  const underWay = new Map<string, Promise<SealedLog | undefined>>();

  async function seal(attempt: LoggedAttempt, lines: number): Promise<SealedLog | undefined> {
    try {
      const { kept } = await collectLog(deps.telemetry, attempt, lines, waitMs);
      return kept.last === 0 ? undefined : { digest: await storeLog(deps.blobs, kept.lines), lines: kept.last };
    } catch (error) {
      deps.logger.warn("an attempt's log could not be stored", { taskId: attempt.taskId, attempt: attempt.number, error });
      return undefined;
    }
  }
  return (attempt, lines) => {
    // A report that is sent again meanwhile waits for the same.
    const key = `${attempt.taskId}.${attempt.number}`;
    const known = underWay.get(key);
    if (known !== undefined) return known;
    const sealed = seal(attempt, lines).finally(() => underWay.delete(key));
    underWay.set(key, sealed);
    return sealed;
  };
}
