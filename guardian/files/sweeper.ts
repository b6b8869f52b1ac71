import { setTimeout } from 'node:timers/promises';
import type { BlobStore } from '../../core/blobs/blob-store.ts';
import { fileAggregate, type FileState } from '../../core/file/file.ts';
import type { Logger } from '../../core/logger.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { isTerminal, type TaskState } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { uploadsOf } from '../../core/blobs/reachable.ts';
import { removeBlobs } from '../projects/remove-blobs.ts';

/** Between two rounds for what is left: twice as long each time. */
const firstWaitMs = 1_000;
const longestWaitMs = 60_000;

/** Removes the contents of deleted files that nothing else names, also of those that were deleted when nobody was there. */
export function createFileSweeper(deps: { ledger: Ledger; blobs: BlobStore; logger: Logger }): { start(): void; stop(): Promise<void> } {
  const { ledger, blobs, logger } = deps;
  const stopped = new AbortController();
  let due = new Set<string>();
  let sweeping: Promise<void> | undefined;
  let stopListening = (): void => {};

  async function sweep(): Promise<void> {
    for (let waitMs = firstWaitMs; due.size > 0 && !stopped.signal.aborted; waitMs = Math.min(2 * waitMs, longestWaitMs)) {
      const own = due;
      due = new Set();
      try {
        await removeBlobs(own, deps);
      } catch (error) {
        logger.warn('the contents of deleted files could not be removed yet', { error: (error as Error).message });
      }
      // What was stored a moment ago may be about to be named: it has another turn.
      for (const digest of own) due.add(digest);
      if (due.size > 0) await setTimeout(waitMs, undefined, { signal: stopped.signal }).catch(() => {});
    }
  }

  function add(digests: Iterable<string>): void {
    for (const digest of digests) due.add(digest);
    if (due.size === 0 || stopped.signal.aborted) return;
    sweeping ??= sweep().finally(() => {
      sweeping = undefined;
      add([]);
    });
  }

  /** Of files that were deleted, and whose contents are still there. */
  async function leftBehind(): Promise<string[]> {
    const left: string[] = [];
    for (const [, file] of ledger.all(fileAggregate)) {
      if (file.status === 'deleted' && (await blobs.stat(file.digest)) !== undefined) left.push(file.digest);
    }
    return left;
  }

  return {
    start() {
      const deleted = new Set<string>();
      for (const [, file] of ledger.all(fileAggregate)) if (file.status === 'deleted') deleted.add(file.digest);
      stopListening = ledger.onApplied(({ stored, head }) => {
        if (stored.aggregate === fileAggregate.name) {
          const file = head.state as FileState;
          if (file.status !== 'deleted') return;
          deleted.add(file.digest);
          add([file.digest]);
        }
        // While it ran it kept them.
        if (stored.aggregate === taskAggregate.name) {
          const task = head.state as TaskState;
          if (task.status !== 'none' && isTerminal(task)) add(uploadsOf(task.spec).filter((digest) => deleted.has(digest)));
        }
      });
      leftBehind().then(add, (error: unknown) => logger.warn('deleted files could not be looked for', { error }));
    },
    async stop() {
      stopListening();
      stopped.abort();
      await sweeping;
    },
  };
}
