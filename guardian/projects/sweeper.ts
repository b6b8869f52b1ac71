import { setTimeout } from 'node:timers/promises';
import type { BlobStore } from '../../core/blobs/blob-store.ts';
import type { Logger } from '../../core/logger.ts';
import { projectAggregate } from '../../core/project/project.ts';
import type { EventStore } from '../../core/store/event-store.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { removeBlobs } from './remove-blobs.ts';

const retryMs = 1_000;

/** Removes the blobs of projects that were deleted, also of those that were when nobody was there. */
export function createSweeper(deps: { ledger: Ledger; store: EventStore; blobs: BlobStore; logger: Logger }): { start(): void; stop(): Promise<void> } {
  const { ledger, logger } = deps;
  const stopped = new AbortController();
  let work = Promise.resolve();
  let stopListening = (): void => {};

  async function sweep(project: string): Promise<void> {
    while (!stopped.signal.aborted && ledger.head(projectAggregate, project).state.deletedAt > 0) {
      try {
        if (await removeBlobs(project, deps)) return;
      } catch (error) {
        logger.warn('the blobs of a deleted project could not be removed yet', { project, error: (error as Error).message });
      }
      await setTimeout(retryMs, undefined, { signal: stopped.signal }).catch(() => {});
    }
  }
  const due = (project: string): void => {
    if (ledger.head(projectAggregate, project).state.deletedAt > 0) work = work.then(() => sweep(project));
  };
  return {
    start() {
      stopListening = ledger.onApplied(({ stored }) => {
        if (stored.aggregate === projectAggregate.name) due(stored.id);
      });
      for (const [project] of ledger.all(projectAggregate)) due(project);
    },
    async stop() {
      stopListening();
      stopped.abort();
      await work;
    },
  };
}
