import type { BlobStore } from '../../core/blobs/blob-store.ts';
import { readTree } from '../../core/blobs/tree.ts';
import { isForgeError } from '../../core/errors.ts';
import type { TaskResult } from '../../core/gen/aiforge/v1/task_pb.ts';
import { isReadable, type EventStore } from '../../core/store/event-store.ts';
import { taskAggregate } from '../../core/task/task.ts';
import type { Task } from '../../core/task/state.ts';

/** Digests of all trees and blobs that a task's events name, older checkpoints among them. */
export async function digestsOf(task: Task, store: EventStore): Promise<Set<string>> {
  const digests = new Set<string>();
  if (task.spec.kind.case === 'train' && task.spec.kind.value.source.case === 'datasetDigest') digests.add(task.spec.kind.value.source.value);
  if (task.status === 'completed') for (const digest of ofResult(task.result)) digests.add(digest);
  if (task.checkpoint !== undefined) {
    for await (const stored of store.readAggregate(taskAggregate.name, task.id, 0)) {
      if (!isReadable(stored)) continue;
      for (const { kind } of stored.envelope.events) if (kind.case === 'checkpointSaved') digests.add(kind.value.digest);
    }
  }
  digests.delete('');
  return digests;
}

/** Adds the files of those that are trees. */
export async function withFiles(digests: ReadonlySet<string>, blobs: BlobStore): Promise<Set<string>> {
  const all = new Set(digests);
  for (const digest of digests) {
    try {
      for (const file of (await readTree(blobs, digest)).files) all.add(file.digest);
    } catch (error) {
      // A single blob, or one that is gone.
      if (!isForgeError(error)) throw error;
    }
  }
  return all;
}

function ofResult({ kind }: TaskResult): string[] {
  switch (kind.case) {
    case 'extract':
      return [kind.value.datasetDigest, kind.value.reportDigest];
    case 'train':
      return [kind.value.adapterDigest];
    case 'evaluate':
      return [kind.value.reportDigest];
    case 'export':
      return [kind.value.exportDigest, kind.value.ggufDigest];
    default:
      return [];
  }
}
