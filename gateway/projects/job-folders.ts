import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../../core/logger.ts';
import { isForgotten } from '../../core/project/forgotten.ts';
import { projectAggregate } from '../../core/project/project.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { taskAggregate } from '../../core/task/task.ts';

/**
 * Removes what people look at of a deleted project's jobs: copies of blobs, on this gateway's own disk. From events
 * alone: also of projects that were deleted elsewhere, or while this gateway was away.
 */
export function createJobFolders({ ledger, jobsDir, logger }: { ledger: Ledger; jobsDir: string; logger: Logger }): { start(): void; stop(): Promise<void> } {
  let work = Promise.resolve();
  let stopListening = (): void => {};

  async function sweep(): Promise<void> {
    try {
      // Folders are called like their jobs.
      for (const id of await readdir(jobsDir)) {
        if (isForgotten(ledger, ledger.head(taskAggregate, id).state)) await rm(join(jobsDir, id), { recursive: true, force: true });
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') logger.warn('folders of a deleted project’s jobs are left', { jobsDir, error: (error as Error).message });
    }
  }
  const due = (): void => void (work = work.then(sweep));
  return {
    start() {
      stopListening = ledger.onApplied(({ stored }) => {
        if (stored.aggregate === projectAggregate.name && stored.envelope.events.some(({ kind }) => kind.case === 'projectDeleted')) due();
      });
      due();
    },
    async stop() {
      stopListening();
      await work;
    },
  };
}
