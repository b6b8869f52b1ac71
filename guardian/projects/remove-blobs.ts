import { randomUUID } from 'node:crypto';
import type { BlobStore } from '../../core/blobs/blob-store.ts';
import { pipelineAggregate } from '../../core/pipeline/pipeline.ts';
import { projectAggregate } from '../../core/project/project.ts';
import { baseModelAggregate } from '../../core/base-model/base-model.ts';
import type { EventStore } from '../../core/store/event-store.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { isTerminal } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { digestsOf, withFiles } from './reachable.ts';

/**
 * Removes the blobs that only a deleted project's tasks and pipelines name, and records it. While another project's task
 * runs nothing is removed: it may be about to name a blob that is stored already.
 * @returns false when it has to wait for that
 */
export async function removeBlobs(project: string, deps: { ledger: Ledger; store: EventStore; blobs: BlobStore }): Promise<boolean> {
  const { ledger, store, blobs } = deps;
  await ledger.catchUp();
  const own = new Set<string>();
  const others = new Set<string>();
  for (const [, task] of ledger.all(taskAggregate)) {
    if (task.status === 'none') continue;
    if (task.project !== project && !isTerminal(task) && task.status !== 'paused') return false;
    for (const digest of await digestsOf(task, store)) (task.project === project ? own : others).add(digest);
  }
  for (const [, pipeline] of ledger.all(pipelineAggregate)) {
    if (pipeline.status !== 'none' && pipeline.gate !== undefined) (pipeline.plan.project === project ? own : others).add(pipeline.gate.reportDigest);
  }
  for (const [, base] of ledger.all(baseModelAggregate)) if (base.status === 'pinned') others.add(base.treeDigest);
  const kept = await withFiles(others, blobs);
  let count = 0n;
  let bytes = 0n;
  for (const digest of await withFiles(own, blobs)) {
    const blob = kept.has(digest) ? undefined : await blobs.stat(digest);
    if (blob === undefined) continue;
    await blobs.remove(digest);
    count += 1n;
    bytes += BigInt(blob.size);
  }
  await ledger.execute(projectAggregate, project, { type: 'blobs-removed', blobs: count, bytes }, { commandId: randomUUID(), actor: 'guardian', time: Date.now() });
  return true;
}
