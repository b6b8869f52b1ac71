import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import type { BlobStore } from '../../core/blobs/blob-store.ts';
import type { Logger } from '../../core/logger.ts';
import { projectAggregate } from '../../core/project/project.ts';
import type { EventStore } from '../../core/store/event-store.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import type { Mirrors } from '../git/mirror.ts';
import { ownDigests, removeBlobs } from './remove-blobs.ts';
import { removeMirrors } from './remove-mirrors.ts';

/** Between two rounds for one project: twice as long each time. */
const firstWaitMs = 1_000;
const longestWaitMs = 60_000;

/** What a deletion has left to be removed, and what of it was. */
interface Leftovers {
  deletedAt: number;
  own: Set<string>;
  blobs: number;
  bytes: number;
}

/** Removes the blobs and mirrors of projects that were deleted, also of those that were when nobody was there. */
export function createSweeper(deps: { ledger: Ledger; store: EventStore; blobs: BlobStore; mirrors: Mirrors; logger: Logger }): { start(): void; stop(): Promise<void> } {
  const { ledger, logger } = deps;
  const stopped = new AbortController();
  const sweeps = new Map<string, Promise<void>>();
  let turn = Promise.resolve();
  let stopListening = (): void => {};

  const deletedAt = (project: string): number => ledger.head(projectAggregate, project).state.deletedAt;

  /** One at a time: each reads much. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = turn.then(work);
    turn = mine.then(() => {}, () => {});
    return mine;
  }

  /** @returns what is left, for another round */
  async function round(project: string, before: Leftovers | undefined): Promise<Leftovers | undefined> {
    const at = deletedAt(project);
    if (at === 0 || stopped.signal.aborted) return undefined;
    await removeMirrors(project, deps);
    const left = before?.deletedAt === at ? before : { deletedAt: at, own: await ownDigests(project, deps), blobs: 0, bytes: 0 };
    const removed = await removeBlobs(left.own, deps);
    left.blobs += removed.blobs;
    left.bytes += removed.bytes;
    if (left.own.size > 0) return left;
    const command = { type: 'blobs-removed', deletedAt: at, blobs: BigInt(left.blobs), bytes: BigInt(left.bytes) } as const;
    await ledger.execute(projectAggregate, project, command, { commandId: randomUUID(), actor: 'guardian', time: Date.now() });
    return undefined;
  }

  async function sweep(project: string): Promise<void> {
    let left: Leftovers | undefined;
    for (let waitMs = firstWaitMs; deletedAt(project) > 0 && !stopped.signal.aborted; waitMs = Math.min(2 * waitMs, longestWaitMs)) {
      try {
        left = await inTurn(() => round(project, left));
      } catch (error) {
        logger.warn('the blobs of a deleted project could not be removed yet', { project, error: (error as Error).message });
      }
      if (deletedAt(project) > 0) await setTimeout(waitMs, undefined, { signal: stopped.signal }).catch(() => {});
    }
  }

  function due(project: string): void {
    if (deletedAt(project) === 0 || stopped.signal.aborted || sweeps.has(project)) return;
    const mine = sweep(project).finally(() => {
      sweeps.delete(project);
      // Deleted again in the moment between the last look and here.
      due(project);
    });
    sweeps.set(project, mine);
  }
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
      await Promise.allSettled(sweeps.values());
    },
  };
}
