import { Altered, type BlobStore } from '../../core/blobs/blob-store.ts';
import { checkpointsOf, digestsOf, filesOf, namedDigests } from '../../core/blobs/reachable.ts';
import { ForgeError } from '../../core/errors.ts';
import { pipelineAggregate } from '../../core/pipeline/pipeline.ts';
import { isGateDue, isOver } from '../../core/pipeline/state.ts';
import { isForgotten } from '../../core/project/forgotten.ts';
import type { EventStore } from '../../core/store/event-store.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { taskAggregate } from '../../core/task/task.ts';

/** What the clocks of the hosts that store blobs may differ by. */
const skewMs = 2_000;

/** Digests of the trees and blobs that a deleted project's ended tasks and pipelines name, older checkpoints among them. */
export async function ownDigests(project: string, { ledger, store }: { ledger: Ledger; store: EventStore }): Promise<Set<string>> {
  const own = new Set<string>();
  for (const [, task] of ledger.all(taskAggregate)) {
    if (task.status === 'none' || task.project !== project || !isForgotten(ledger, task)) continue;
    for (const digest of [...digestsOf(task), ...(await checkpointsOf(task, store))]) own.add(digest);
  }
  for (const [, pipeline] of ledger.all(pipelineAggregate)) {
    if (pipeline.status !== 'none' && pipeline.plan.project === project && pipeline.gate !== undefined && isForgotten(ledger, pipeline)) own.add(pipeline.gate.reportDigest);
  }
  return own;
}

/**
 * Removes those of the trees and blobs, with their files, that nothing else names. What was stored since an attempt that
 * runs now has started may be about to be named by it, and stays for now.
 * @param own what is done with is taken out of it: what is left is for another round
 * @throws where the files of a tree that stays can't be known: nothing was removed
 */
export async function removeBlobs(own: Set<string>, { ledger, blobs }: { ledger: Ledger; blobs: BlobStore }): Promise<{ blobs: number; bytes: number }> {
  const start = Date.now();
  await ledger.catchUp();
  const since = Math.min(start, oldestWriter(ledger)) - skewMs;
  const kept = await keptDigests(ledger, blobs);
  const removed = { blobs: 0, bytes: 0 };

  /** @returns whether it is done with */
  async function remove(digest: string): Promise<boolean> {
    if (kept.has(digest)) return true;
    const outcome = await blobs.removeUntouched(digest, since);
    if (outcome === 'spared') return false;
    if (outcome !== undefined) removed.blobs += 1;
    removed.bytes += outcome?.size ?? 0;
    return true;
  }
  for (const digest of own) {
    let done = true;
    // A tree goes after its files: whoever goes on after a crash finds by it which they are.
    for (const file of kept.has(digest) ? [] : await filesOfOwn(digest, blobs)) done = (await remove(file)) && done;
    if (done && (await remove(digest))) own.delete(digest);
  }
  return removed;
}

/** Of a tree that was altered nobody knows the files any more: they are left to the garbage collection. */
async function filesOfOwn(digest: string, blobs: BlobStore): Promise<string[]> {
  try {
    return (await filesOf(digest, blobs)) ?? [];
  } catch (error) {
    if (error instanceof Altered) return [];
    throw error;
  }
}

/** When the oldest of those began that store blobs before they name them. Unix milliseconds; Infinity for nobody. */
function oldestWriter(ledger: Ledger): number {
  let oldest = Infinity;
  for (const [, task] of ledger.open(taskAggregate)) if (task.status === 'running') oldest = Math.min(oldest, task.startedAt);
  for (const [, pipeline] of ledger.all(pipelineAggregate)) {
    if (pipeline.status !== 'none' && !isOver(pipeline) && isGateDue(pipeline)) oldest = Math.min(oldest, pipeline.updatedAt);
  }
  return oldest;
}

/** All that is named by what was not forgotten with its project, with the files of trees. */
async function keptDigests(ledger: Ledger, blobs: BlobStore): Promise<Set<string>> {
  const named = namedDigests(ledger);
  const kept = new Set([...named.trees, ...named.blobs]);
  for (const digest of named.trees) {
    const files = await filesOf(digest, blobs);
    // One that was altered is removed by the first look at it: the next round must not take its files for nobody's.
    if (files === undefined) throw new ForgeError('wrong_state', `tree ${digest} is named by events and not there, and which files are its own is not known: restore it from a backup. Nothing was removed`);
    for (const file of files) kept.add(file);
  }
  return kept;
}
